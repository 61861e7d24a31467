#include "live.h"
#include <signal.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static volatile sig_atomic_t alarms, ticks;
static int descriptor;
static timer_t far;

static void on_signal(int number) { number == SIGALRM ? alarms++ : ticks++; }

static void prepare(int count, char **arguments)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct itimerval often = {{0, 20000}, {0, 20000}};
	struct itimerspec also = {{0, 20000000}, {0, 20000000}}, soon = {{0, 0}, {1, 0}}, later = {{0, 0}, {3600, 0}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
	timer_t timer;
	TRY(sigaction(SIGALRM, &action, NULL));
	TRY(sigaction(SIGUSR2, &action, NULL));
	TRY(setitimer(ITIMER_REAL, &often, NULL));
	TRY(timer_create(CLOCK_MONOTONIC, &event, &timer));
	TRY(timer_settime(timer, 0, &also, NULL));
	TRY(timer_create(CLOCK_MONOTONIC, &event, &far));
	TRY(timer_settime(far, 0, &later, NULL));
	descriptor = TRY(timerfd_create(CLOCK_MONOTONIC, 0));
	TRY(timerfd_settime(descriptor, 0, &soon, NULL));
}

static const char *answer(const char *question)
{
	unsigned long long expirations;
	struct itimerspec left;
	sigset_t none;
	sigemptyset(&none);
	if (!strcmp(question, "later"))
		return TRY(timer_gettime(far, &left)), SAY("%d", left.it_value.tv_sec > 3000 && left.it_value.tv_sec < 3600);
	if (!strcmp(question, "timerfd")) {
		while (read(descriptor, &expirations, sizeof expirations) < 0)
			; /* a signal */
		return SAY("%llu", expirations);
	}
	volatile sig_atomic_t *counter = strcmp(question, "setitimer") ? &ticks : &alarms;
	for (int until = *counter + 3; *counter < until;)
		sigsuspend(&none); /* another follows, should one come before this */
	return "it fires";
}
