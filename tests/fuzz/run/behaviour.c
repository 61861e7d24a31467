/* Behaves as its first argument says, or as the file that it names says after the image's head. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void stay(int new_session)
{
	int ends[2];
	char byte;
	if (pipe(ends))
		exit(9);
	pid_t pid = fork();
	if (pid == 0) {
		if (new_session)
			setsid();
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		if (write(ends[1], "x", 1) != 1)
			exit(9);
		for (;;)
			pause();
	}
	if (read(ends[0], &byte, 1) != 1)
		exit(9);
	printf("%d\n", (int)pid);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "ok";
	char block[65536];
	memset(block, 'x', sizeof block);
	if (!strcmp(what, "abort")) {
		fprintf(stderr, "behaviour: assertion 'a' failed at %p\n", (void *)block);
		abort();
	} else if (!strcmp(what, "crash")) {
		*(volatile int *)8 = 1;
	} else if (!strcmp(what, "loop")) {
		printf("%d\n", (int)getpid());
		fflush(stdout);
		for (;;)
			;
	} else if (!strcmp(what, "wait")) {
		signal(SIGTERM, SIG_IGN);
		for (;;)
			pause();
	} else if (!strcmp(what, "allocate")) {
		for (int count = 0; count < 4096; count++) {
			char *more = malloc(1 << 20);
			if (!more) {
				fprintf(stderr, "behaviour: cannot allocate memory\n");
				return 3;
			}
			memset(more, 1, 1 << 20);
		}
	} else if (!strcmp(what, "file")) {
		FILE *file = fopen("large", "wb");
		for (int count = 0; count < 4096; count++)
			fwrite(block, 1, sizeof block, file);
		fclose(file);
	} else if (!strcmp(what, "print")) {
		for (;;)
			if (write(1, block, sizeof block) < 0)
				return 4;
	} else if (!strcmp(what, "stay")) {
		stay(0);
	} else if (!strcmp(what, "stay-apart")) {
		stay(1);
	} else if (!strcmp(what, "refuse")) {
		fprintf(stderr, "behaviour: /a/b.img: entry 3 is bad\n");
		return 1;
	} else {
		printf("fine\n");
	}
	return 0;
}
