/* A program of the live tests that serves: arguments are tcp|udp ADDRESS PORT, any number of times.
 *
 * What is sent to a socket comes back with the number of messages served so far. pair ADDRESS PORT listens, too,
 * and holds a connection to itself. Questions: "talk" sends over that and gives the reply; "ended" waits until
 * a connection has ended, gives what reading said, and whether writing fails.
 */
#include "live.h"
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#define MOST 32

union end {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static struct pollfd sockets[MOST];
static char kinds[MOST]; /* 'l' listens, 'u' is UDP, 'c' a connection */
static int known, served, own = -1;
static char ended[128];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;

static void add(int socket, char kind)
{
	kinds[known] = kind;
	sockets[known++] = (struct pollfd){.fd = socket, .events = POLLIN};
}

static socklen_t parse(const char *address, int port, union end *end)
{
	memset(end, 0, sizeof *end);
	end->any.sa_family = strchr(address, ':') ? AF_INET6 : AF_INET;
	end->v4.sin_port = htons(port); /* at the same place in both */
	if (end->any.sa_family == AF_INET) {
		inet_pton(AF_INET, address, &end->v4.sin_addr);
		return sizeof end->v4;
	}
	inet_pton(AF_INET6, address, &end->v6.sin6_addr);
	return sizeof end->v6;
}

static void note_end(int socket, ssize_t got)
{
	pthread_mutex_lock(&lock);
	int failed = got < 0 ? errno : 0;
	const char *writing = send(socket, "x", 1, MSG_NOSIGNAL) < 0 ? strerror(errno) : "went well";
	snprintf(ended, sizeof ended, "read %zd %s, write: %s", got, strerror(failed), writing);
	pthread_cond_broadcast(&change);
	pthread_mutex_unlock(&lock);
}

static void serve_one(int index)
{
	char text[256], reply[512];
	union end from;
	socklen_t size = sizeof from;
	int socket = sockets[index].fd;
	if (kinds[index] == 'l') {
		add(TRY(accept(socket, NULL, NULL)), 'c');
		return;
	}
	ssize_t got = recvfrom(socket, text, sizeof text - 1, 0, &from.any, &size);
	if (kinds[index] == 'c' && got <= 0) {
		note_end(socket, got);
		close(socket);
		sockets[index] = sockets[--known];
		kinds[index] = kinds[known];
		return;
	}
	int length = snprintf(reply, sizeof reply, "%.*s %d", (int)got, text, ++served);
	sendto(socket, reply, length, MSG_NOSIGNAL, kinds[index] == 'u' ? &from.any : NULL, kinds[index] == 'u' ? size : 0);
}

static void *serve(void *nothing)
{
	for (;;) {
		poll(sockets, known, -1);
		for (int index = known - 1; index >= 0; index--)
			if (sockets[index].revents)
				serve_one(index);
	}
	return nothing;
}

static void prepare(int count, char **arguments)
{
	pthread_t thread;
	union end end;
	for (int at = 0; at + 2 < count; at += 3) {
		int datagrams = !strcmp(arguments[at], "udp"), one = 1;
		socklen_t size = parse(arguments[at + 1], atoi(arguments[at + 2]), &end);
		int made = TRY(socket(end.any.sa_family, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0));
		setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		TRY(bind(made, &end.any, size));
		if (!datagrams)
			TRY(listen(made, 8));
		add(made, datagrams ? 'u' : 'l');
		if (!strcmp(arguments[at], "pair")) {
			own = TRY(socket(end.any.sa_family, SOCK_STREAM, 0));
			TRY(connect(own, &end.any, size));
			add(TRY(accept(made, NULL, NULL)), 'c');
		}
	}
	TRY(-pthread_create(&thread, NULL, serve, NULL));
}

static const char *answer(const char *question)
{
	if (!strcmp(question, "talk")) {
		TRY(send(own, "talk", 4, MSG_NOSIGNAL));
		live_text[TRY(recv(own, live_text, 256, 0))] = 0;
		return live_text;
	}
	if (!strcmp(question, "ended")) {
		pthread_mutex_lock(&lock);
		while (!*ended)
			pthread_cond_wait(&change, &lock);
		pthread_mutex_unlock(&lock);
		return ended;
	}
	return NULL;
}
