#include "live.h"

static int counter;

static void prepare(int count, char **arguments) { counter = atoi(arguments[0]); }
static const char *answer(const char *question) { return SAY("%d", ++counter); }
