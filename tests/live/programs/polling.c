#include "live.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

static int poller, event, watcher;

static void prepare(int count, char **arguments)
{
	poller = TRY(epoll_create1(EPOLL_CLOEXEC));
	event = TRY(eventfd(5, EFD_NONBLOCK));
	watcher = TRY(inotify_init1(IN_NONBLOCK));
	TRY(inotify_add_watch(watcher, ".", IN_CREATE));
	struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
	TRY(epoll_ctl(poller, EPOLL_CTL_ADD, event, &wanted));
}

static const char *answer(const char *question)
{
	struct epoll_event told;
	unsigned long long count;
	static char changes[4096];
	if (!strcmp(question, "epoll"))
		return SAY("%d %llx", epoll_wait(poller, &told, 1, 0), (unsigned long long)told.data.u64);
	if (!strcmp(question, "eventfd"))
		return TRY(read(event, &count, sizeof count)), SAY("%llu", count);
	close(TRY(creat("made", 0600)));
	TRY(read(watcher, changes, sizeof changes));
	return ((struct inotify_event *)changes)->name;
}
