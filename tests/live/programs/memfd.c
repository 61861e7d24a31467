#include "live.h"
#include <fcntl.h>
#include <sys/mman.h>

static int memory;
static char *mapped;

static void prepare(int count, char **arguments)
{
	memory = TRY(memfd_create("scratch", MFD_ALLOW_SEALING | MFD_CLOEXEC));
	TRY(ftruncate(memory, 4 * 4096));
	TRY(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK));
	mapped = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	strcpy(mapped + 2 * 4096, "text in a memfd");
}

static const char *answer(const char *question)
{
	if (!strcmp(question, "seals"))
		return SAY("%d", fcntl(memory, F_GET_SEALS) == F_SEAL_SHRINK);
	if (!strcmp(question, "mapped"))
		return strcpy(mapped + 3 * 4096, "written after"), mapped + 2 * 4096;
	TRY(pread(memory, live_text, 64, atoi(question) * 4096));
	return live_text;
}
