#include "live.h"
#include <fcntl.h>
#include <sys/stat.h>

static int ghost;

static void prepare(int count, char **arguments)
{
	ghost = TRY(open("ghost", O_RDWR | O_CREAT | O_EXCL, 0640));
	TRY(write(ghost, "the content of a deleted file", 29));
	TRY(ftruncate(ghost, 1 << 20));
	TRY(lseek(ghost, 4, SEEK_SET));
	TRY(unlink("ghost"));
}

static const char *answer(const char *question)
{
	struct stat told;
	TRY(fstat(ghost, &told));
	if (!strcmp(question, "read"))
		return TRY(read(ghost, live_text, 7)), live_text;
	return SAY("%ld links, mode %o, %ld bytes", (long)told.st_nlink, told.st_mode & 0777, (long)told.st_size);
}
