#include "resetkey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* 1: read. 0: there is none. -1: there is one that cannot be trusted or read. */
static int
resetkey_read(int dir, uint8_t secret[RESET_SECRET_LEN])
{
	int fd = openat(dir, RESETKEY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), result = -1;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0 &&
	    read(fd, secret, RESET_SECRET_LEN) == (ssize_t)RESET_SECRET_LEN)
		result = 1;
	close(fd);
	return result;
}

/* Complete before it has its name: another server that starts at the same time reads all of it or makes its own, and the one that
 * has the name first counts for both. */
static void
resetkey_make(int dir)
{
	uint8_t secret[RESET_SECRET_LEN];
	char name[64];
	int fd;

	snprintf(name, sizeof(name), RESETKEY_FILE ".%ld", (long)getpid());
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (getrandom(secret, sizeof(secret), 0) == (ssize_t)sizeof(secret) &&
	    write(fd, secret, sizeof(secret)) == (ssize_t)sizeof(secret))
		(void)linkat(dir, name, dir, RESETKEY_FILE, 0);
	(void)unlinkat(dir, name, 0);
	close(fd);
	explicit_bzero(secret, sizeof(secret));
}

bool
resetkey_load(const char *path, uint8_t secret[RESET_SECRET_LEN])
{
	int dir = path[0] == '/' ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, found;

	if (dir < 0)
		return false;
	found = resetkey_read(dir, secret);
	if (found == 0) {
		resetkey_make(dir);
		found = resetkey_read(dir, secret);
	}
	close(dir);
	return found == 1;
}
