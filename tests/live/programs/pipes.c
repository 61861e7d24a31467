#include "live.h"
#include <fcntl.h>

static int ends[2], named;

static void prepare(int count, char **arguments)
{
	TRY(pipe2(ends, O_NONBLOCK));
	TRY(fcntl(ends[1], F_SETPIPE_SZ, 1 << 17));
	TRY(write(ends[1], "what waits in the pipe", 22));
	TRY(mkfifo("queue", 0600));
	named = TRY(open("queue", O_RDWR | O_NONBLOCK));
	TRY(write(named, "what waits in the fifo", 22));
}

static const char *answer(const char *question)
{
	if (!strcmp(question, "size"))
		return SAY("%d", fcntl(ends[0], F_GETPIPE_SZ));
	TRY(read(strcmp(question, "pipe") ? named : ends[0], live_text, sizeof live_text));
	return live_text;
}
