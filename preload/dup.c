/* dup: remembers which descriptors were copied, because all copies of a socket are swapped together. */
#include <stdarg.h>

#include "real.h"
#include "shim.h"
#include "table.h"

static int
note_copy(int from, int to)
{
	if (to >= 0 && to != from && shim.config.active)
		table_copied(from, to);
	return to;
}

EXPORT int
dup(int fd)
{
	return note_copy(fd, real()->dup(fd));
}

EXPORT int
dup2(int fd, int to)
{
	return note_copy(fd, real()->dup2(fd, to));
}

EXPORT int
dup3(int fd, int to, int flags)
{
	return note_copy(fd, real()->dup3(fd, to, flags));
}

static bool
copies(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;
}

EXPORT int
fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;
	int rc;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	rc = real()->fcntl(fd, cmd, arg);
	return copies(cmd) ? note_copy(fd, rc) : rc;
}

EXPORT int
fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;
	int rc;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	rc = real()->fcntl64(fd, cmd, arg);
	return copies(cmd) ? note_copy(fd, rc) : rc;
}
