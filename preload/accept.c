/* accept: connections of our listeners arrive as descriptors, one message each. */
#include <errno.h>
#include <string.h>
#include <sys/time.h>

#include "real.h"
#include "shim.h"

/* A descriptor that finds no free number would be lost in the kernel, and the connection with it. */
static bool
has_free_descriptor(int fd)
{
	int spare = real()->fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (spare < 0)
		return false;
	real_dispose(spare);
	return true;
}

/* The next connection, or -1 with errno. Waits as recvmsg(2) on the listener does: cancellation point,
 * O_NONBLOCK, SO_RCVTIMEO and signals as for accept(2). */
static int
take_connection(int fd, int flags)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	uint32_t id;
	struct iovec iov = { .iov_base = &id, .iov_len = sizeof(id) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c;
	int conn = -1;
	ssize_t n = real()->recvmsg(fd, &msg, flags & SOCK_CLOEXEC ? MSG_CMSG_CLOEXEC : 0);

	if (n < 0) {
		if (errno == ECONNRESET)
			errno = EINVAL;
		return -1;
	}
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&conn, CMSG_DATA(c), sizeof(int));
	if (conn < 0)
		errno = msg.msg_flags & MSG_CTRUNC ? EMFILE : EINVAL;
	return conn;
}

/* TCP's accepted sockets start with the listener's time limits. */
static void
inherit_timeouts(int from, int to)
{
	static const int names[] = { SO_RCVTIMEO, SO_SNDTIMEO };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct timeval tv = { 0 };
		socklen_t len = sizeof(tv);

		if (real()->getsockopt(from, SOL_SOCKET, names[i], &tv, &len) == 0 && (tv.tv_sec != 0 || tv.tv_usec != 0))
			real()->setsockopt(to, SOL_SOCKET, names[i], &tv, sizeof(tv));
	}
}

static int
accept_ours(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int saved = errno, conn, error = 0;
	struct ident id;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) {
		errno = EINVAL;
		return -1;
	}
	if (!has_free_descriptor(fd))
		return -1;
	conn = take_connection(fd, flags);
	if (conn < 0)
		return -1;
	inherit_timeouts(fd, conn);
	if (flags & SOCK_NONBLOCK)
		real()->fcntl(conn, F_SETFL, O_RDWR | O_NONBLOCK);
	/* With `auto` a connection may be the kernel's own. */
	if (addr != NULL && !shim_ident(conn, &id) && real()->getpeername(conn, addr, len) != 0)
		error = errno;
	else if (addr != NULL && shim_ident(conn, &id))
		error = shim_copy_address(&id.peer, id.domain, addr, len);
	if (error != 0) {
		real_dispose(conn);
		errno = error;
		return -1;
	}
	errno = saved;
	return conn;
}

/* Whether fd is ours; connections of ours are refused as connected TCP sockets are. */
static bool
is_ours(int fd, int *error)
{
	struct ident id;

	if (!shim_ours(fd, &id))
		return false;
	*error = id.role == IDENT_LISTENER ? 0 : EINVAL;
	return true;
}

EXPORT int
accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
	int error;

	if (!is_ours(fd, &error))
		return real()->accept4(fd, addr, len, flags);
	if (error == 0)
		return accept_ours(fd, addr.__sockaddr__, len, flags);
	errno = error;
	return -1;
}

EXPORT int
accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	int error;

	if (!is_ours(fd, &error))
		return real()->accept(fd, addr, len);
	if (error == 0)
		return accept_ours(fd, addr.__sockaddr__, len, 0);
	errno = error;
	return -1;
}
