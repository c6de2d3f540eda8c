/* recv: no addresses, MSG_TRUNC discards, and descriptors of ours that arrive in messages are noted. */
#include <errno.h>
#include <string.h>

#include "real.h"
#include "shim.h"
#include "state.h"

#define DISCARD_CHUNK 16384

void __chk_fail(void) __attribute__((noreturn));

/* Flags for which a kernel pair behaves differently from TCP. */
#define UNUSUAL_FLAGS (MSG_TRUNC | MSG_ERRQUEUE)

static ssize_t
result(int fd, ssize_t n)
{
	if (n < 0 && shim_hint() && errno == ECONNRESET)
		errno = state_true_error(fd, errno);
	return n;
}

/* TCP takes up to `len` bytes off the queue without storing them. */
static ssize_t
discard(int fd, size_t len, int flags)
{
	char scratch[DISCARD_CHUNK];
	size_t total = 0;

	flags &= ~MSG_TRUNC;
	while (total < len) {
		size_t want = len - total < sizeof(scratch) ? len - total : sizeof(scratch);
		ssize_t n = real()->recv(fd, scratch, want, total ? (flags & ~MSG_WAITALL) | MSG_DONTWAIT : flags);

		if (n < 0 && total == 0)
			return result(fd, n);
		if (n <= 0)
			break;
		total += (size_t)n;
		if ((size_t)n < want || flags & MSG_PEEK)
			break;
	}
	return (ssize_t)total;
}

static ssize_t
fail(int error)
{
	errno = error;
	return -1;
}

/* Answers a receive that must not reach the pair. True: *n is the result. */
static bool
receive_specially(int fd, size_t len, int flags, ssize_t *n)
{
	struct ident id;
	int saved = errno;

	if (!shim_hint())
		return false;
	if (shim_our_listener(fd, &id)) {
		*n = fail(flags & MSG_ERRQUEUE ? EAGAIN : ENOTCONN);
		return true;
	}
	if (!(flags & UNUSUAL_FLAGS) || !shim_ident(fd, &id))
		return false;
	if (flags & MSG_ERRQUEUE) {
		*n = fail(EAGAIN);
		return true;
	}
	*n = discard(fd, len, flags);
	if (*n >= 0)
		errno = saved;
	return true;
}

static ssize_t
receive(int fd, void *buf, size_t len, int flags)
{
	ssize_t n;

	if (receive_specially(fd, len, flags, &n))
		return n;
	return result(fd, real()->recv(fd, buf, len, flags));
}

static ssize_t
receive_from(int fd, void *restrict buf, size_t len, int flags, __SOCKADDR_ARG addr, socklen_t *restrict addrlen)
{
	struct ident id;
	ssize_t n;

	if (addr.__sockaddr__ == NULL)
		return receive(fd, buf, len, flags);
	if (!shim_ours(fd, &id))
		return real()->recvfrom(fd, buf, len, flags, addr, addrlen);
	n = receive(fd, buf, len, flags);
	if (n >= 0 && addrlen != NULL)
		*addrlen = 0;
	return n;
}

EXPORT ssize_t
recv(int fd, void *buf, size_t len, int flags)
{
	return receive(fd, buf, len, flags);
}

EXPORT ssize_t
recvfrom(int fd, void *restrict buf, size_t len, int flags, __SOCKADDR_ARG addr, socklen_t *restrict addrlen)
{
	return receive_from(fd, buf, len, flags, addr, addrlen);
}

EXPORT ssize_t
__recv_chk(int fd, void *buf, size_t len, size_t size, int flags)
{
	if (len > size)
		__chk_fail();
	return receive(fd, buf, len, flags);
}

EXPORT ssize_t
__recvfrom_chk(int fd, void *restrict buf, size_t len, size_t size, int flags, __SOCKADDR_ARG addr,
    socklen_t *restrict addrlen)
{
	if (len > size)
		__chk_fail();
	return receive_from(fd, buf, len, flags, addr, addrlen);
}

/* Descriptors that came with a message may be ours. */
static void
note_rights(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			struct ident id;
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (shim_ident(fd, &id))
				shim_note(&id);
		}
	}
}

static size_t
total_length(const struct msghdr *msg)
{
	size_t total = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		total += msg->msg_iov[i].iov_len;
	return total;
}

static ssize_t
receive_ours(int fd, struct msghdr *msg, int flags)
{
	void *name = msg->msg_name;
	ssize_t n;

	if (flags & UNUSUAL_FLAGS && receive_specially(fd, total_length(msg), flags, &n)) {
		if (n >= 0)
			msg->msg_namelen = msg->msg_controllen = msg->msg_flags = 0;
		return n;
	}
	msg->msg_name = NULL;
	n = result(fd, real()->recvmsg(fd, msg, flags));
	msg->msg_name = name;
	if (n >= 0)
		msg->msg_namelen = 0;
	return n;
}

EXPORT ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct ident id;
	ssize_t n;

	if (msg != NULL && shim_our_listener(fd, &id))
		return fail(ENOTCONN);
	if (msg != NULL && (msg->msg_name != NULL || flags & UNUSUAL_FLAGS) && shim_ours(fd, &id))
		return receive_ours(fd, msg, flags);
	n = result(fd, real()->recvmsg(fd, msg, flags));
	if (n >= 0 && msg->msg_control != NULL && msg->msg_controllen >= sizeof(struct cmsghdr))
		note_rights(msg);
	return n;
}

EXPORT int
recvmmsg(int fd, struct mmsghdr *vec, unsigned int count, int flags, struct timespec *timeout)
{
	struct ident id;
	bool ours = shim_ours(fd, &id);
	int n;

	if (ours && id.role == IDENT_LISTENER)
		return (int)fail(ENOTCONN);
	n = real()->recvmmsg(fd, vec, count, flags, timeout);
	if (n < 0 && ours)
		errno = state_true_error(fd, errno);
	for (int i = 0; i < n; i++) {
		struct msghdr *msg = &vec[i].msg_hdr;

		if (ours)
			msg->msg_namelen = 0;
		else if (msg->msg_control != NULL && msg->msg_controllen >= sizeof(struct cmsghdr))
			note_rights(msg);
	}
	return n;
}
