#include "live.h"
#include <arpa/inet.h>

static int listening, here, there;

static void prepare(int count, char **arguments)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[0]))};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listening = TRY(socket(AF_INET, SOCK_STREAM, 0));
	TRY(bind(listening, (struct sockaddr *)&address, sizeof address));
	TRY(listen(listening, 8));
	here = TRY(socket(AF_INET, SOCK_STREAM, 0));
	TRY(connect(here, (struct sockaddr *)&address, sizeof address));
	there = TRY(accept(listening, NULL, NULL));
	TRY(write(here, "there", 5));
	TRY(write(there, "and back", 8));
}

static const char *answer(const char *question)
{
	if (!strcmp(question, "accept")) {
		close(there);
		there = TRY(accept(listening, NULL, NULL));
		return "accepted";
	}
	if (!strncmp(question, "send ", 5))
		return TRY(write(there, question + 5, strlen(question + 5))), "sent";
	TRY(recv(strcmp(question, "there") ? here : there, live_text, sizeof live_text, 0));
	return live_text;
}
