#include "live.h"

static int stream[2], packets[2];

static void prepare(int count, char **arguments)
{
	TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
	TRY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
	TRY(write(stream[0], "there", 5));
	TRY(write(stream[1], "and back", 8));
	TRY(write(packets[0], "one", 3));
	TRY(write(packets[0], "another", 7));
}

static const char *answer(const char *question)
{
	int socket = !strcmp(question, "there") ? stream[1] : !strcmp(question, "back") ? stream[0] : packets[1];
	if (!strcmp(question, "more"))
		TRY(write(packets[0], "a third", 7));
	TRY(recv(socket, live_text, sizeof live_text, MSG_DONTWAIT));
	return live_text;
}
