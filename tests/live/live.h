/* What every program of the live tests shares: its main(), and a socket over which the test asks it.
 *
 * A program defines prepare() and answer(). It is started as PROGRAM SOCKET ARGUMENT..., calls prepare() with the
 * arguments, listens on SOCKET, says on stdout that it is ready, closes that, and answers a question a connection,
 * for ever. No connection is open while none is asked, so a dump holds the listening socket alone.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Sets up what is to be dumped. */
static void prepare(int count, char **arguments);

/* The answer to a question of the program's own, or NULL where it has none; it may wait for what it tells. */
static const char *answer(const char *question);

static char live_text[1 << 16];

/* Ends the program, with the reason in its log, unless a call went well. */
#define TRY(call) live_try((long)(call), #call)
static inline long live_try(long result, const char *call)
{
	if (result < 0) {
		fprintf(stderr, "%s: %s\n", call, strerror(errno));
		exit(1);
	}
	return result;
}

/* A formatted answer. */
#define SAY(...) (snprintf(live_text, sizeof live_text, __VA_ARGS__), (const char *)live_text)

static const char *live_answer(const char *question)
{
	if (!strcmp(question, "pid"))
		return SAY("%d", getpid());
	if (!strcmp(question, "cwd"))
		return getcwd(live_text, sizeof live_text) ? live_text : SAY("?%s", strerror(errno));
	if (!strcmp(question, "exe"))
		return live_text[TRY(readlink("/proc/self/exe", live_text, sizeof live_text - 1))] = 0, live_text;
	if (!strcmp(question, "hostname"))
		return TRY(gethostname(live_text, sizeof live_text)), live_text;
	if (!strcmp(question, "terminal"))
		return ttyname(0) ? ttyname(0) : SAY("?%s", strerror(errno));
	if (!strncmp(question, "env ", 4))
		return getenv(question + 4) ? getenv(question + 4) : "?";
	return answer(question);
}

static void live_serve(int listening)
{
	static char question[4096];
	for (;;) {
		int connection = accept(listening, NULL, NULL);
		if (connection < 0)
			continue; /* a signal */
		ssize_t length = TEMP_FAILURE_RETRY(read(connection, question, sizeof question - 1));
		if (length > 0) {
			question[length] = 0;
			memset(live_text, 0, sizeof live_text);
			const char *reply = live_answer(question);
			if (!reply)
				reply = "?";
			for (size_t done = 0, size = strlen(reply); done < size;) {
				ssize_t sent = send(connection, reply + done, size - done, MSG_NOSIGNAL);
				if (sent < 0 && errno != EINTR)
					break;
				done += sent > 0 ? sent : 0;
			}
		}
		close(connection);
	}
}

/* Makes a folder / that has a /proc and the bench's folder, in a mount namespace that is this program's. */
static void live_enter(const char *root, char **program)
{
	static char folder[4096];
	snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(root, '/') - root), root);
	TRY(mount(folder, SAY("%s%s", root, folder), NULL, MS_BIND, NULL));
	TRY(chdir(root));
	TRY(mount("proc", "proc", "proc", 0, NULL));
	TRY(syscall(SYS_pivot_root, ".", "."));
	TRY(umount2(".", MNT_DETACH));
	int null = TRY(open("/dev/null", O_RDONLY));
	int log = TRY(open(SAY("%s/rooted.log", folder), O_WRONLY | O_CREAT | O_APPEND, 0600));
	TRY(dup2(null, 0));
	TRY(dup2(log, 2));
	close(null);
	close(log);
	TRY(chdir(folder));
	TRY(execv(program[0], program)); /* again, from a file that is in the new root */
}

int main(int count, char **arguments)
{
	if (count > 2 && !strcmp(arguments[1], "--root")) {
		char *root = arguments[2];
		arguments[2] = arguments[0];
		live_enter(root, arguments + 2);
	}
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (count < 2 || strlen(arguments[1]) >= sizeof address.sun_path) {
		fprintf(stderr, "usage: %s SOCKET [ARGUMENT...], with a short SOCKET\n", arguments[0]);
		return 2;
	}
	setsid();
	prepare(count - 2, arguments + 2);
	strcpy(address.sun_path, arguments[1]);
	int listening = TRY(socket(AF_UNIX, SOCK_STREAM, 0));
	TRY(bind(listening, (struct sockaddr *)&address, sizeof address));
	TRY(listen(listening, 8));
	TRY(write(STDOUT_FILENO, "ready\n", 6));
	TRY(dup2(STDERR_FILENO, STDOUT_FILENO));
	live_serve(listening);
}
