#include "live.h"
#include <signal.h>

static sigset_t blocked;

static void prepare(int count, char **arguments)
{
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	TRY(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 42}));
	TRY(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 43}));
}

static const char *answer(const char *question)
{
	siginfo_t info;
	TRY(sigtimedwait(&blocked, &info, &(struct timespec){0, 0}));
	return SAY("%d from %d", info.si_value.sival_int, info.si_pid == getpid());
}
