/* send: addresses are ignored, descriptors do not travel, and a reset is told before EPIPE, as with TCP. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>

#include "cmsg.h"
#include "connect.h"
#include "real.h"
#include "shim.h"
#include "state.h"

/* A send on a descriptor that may be ours failed. TCP tells a pending error first, without SIGPIPE.
 * True: the send is to be repeated as the program asked, for SIGPIPE's sake. */
static bool
after_failure(int fd, int flags)
{
	if (errno == EPIPE || errno == ECONNRESET)
		errno = state_true_error(fd, errno);
	return errno == EPIPE && !(flags & MSG_NOSIGNAL);
}

static ssize_t
send_message(int fd, const struct msghdr *msg, int flags)
{
	ssize_t n = real()->sendmsg(fd, msg, flags | MSG_NOSIGNAL);

	if (n < 0 && after_failure(fd, flags))
		n = real()->sendmsg(fd, msg, flags);
	return n;
}

/* Nothing can be sent on a listener; the pair behind it must not get what the program tried. */
static bool
is_listener(int fd, int flags)
{
	struct ident id;

	if (!shim_our_listener(fd, &id))
		return false;
	if (!(flags & MSG_NOSIGNAL))
		pthread_kill(pthread_self(), SIGPIPE);
	errno = EPIPE;
	return true;
}

/* MSG_FASTOPEN connects and sends in one call. 0: connected, or nothing to do; *flags are those for the sending. */
static int
fast_open(int fd, int *flags, const struct sockaddr *addr, socklen_t len)
{
	struct ident id;

	if (!(*flags & MSG_FASTOPEN))
		return 0;
	if (shim_ours(fd, &id) && id.role != IDENT_LISTENER) {
		errno = state_of(fd, &id) == CTL_ST_CONNECTING ? EALREADY : EISCONN;
		return -1;
	}
	if (!connect_matches(addr, len))
		return 0;
	*flags &= ~MSG_FASTOPEN;
	return connect_socket(fd, addr, len);
}

static ssize_t
send_bytes(int fd, const void *buf, size_t len, int flags)
{
	ssize_t n;

	if (!shim_hint())
		return real()->send(fd, buf, len, flags);
	if (is_listener(fd, flags))
		return -1;
	n = real()->send(fd, buf, len, flags | MSG_NOSIGNAL);
	if (n < 0 && after_failure(fd, flags))
		n = real()->send(fd, buf, len, flags);
	return n;
}

/* Neither address nor control data reach a pair of ours. */
static ssize_t
send_any_message(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr plain;
	struct ident id;
	int error;

	if (msg == NULL || !shim_hint())
		return real()->sendmsg(fd, msg, flags);
	if (is_listener(fd, flags))
		return -1;
	if (msg->msg_name == NULL && msg->msg_controllen == 0)
		return send_message(fd, msg, flags);
	if (!shim_ident(fd, &id))
		return real()->sendmsg(fd, msg, flags);
	error = cmsg_judge(msg, id.domain);
	if (error != 0) {
		errno = error;
		return -1;
	}
	plain = *msg;
	plain.msg_name = NULL;
	plain.msg_namelen = 0;
	plain.msg_control = NULL;
	plain.msg_controllen = 0;
	return send_message(fd, &plain, flags & ~MSG_FASTOPEN);
}

EXPORT ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
	if (flags & MSG_FASTOPEN && shim_hint() && fast_open(fd, &flags, NULL, 0) != 0)
		return -1;
	return send_bytes(fd, buf, len, flags);
}

EXPORT ssize_t
sendto(int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG addr, socklen_t addrlen)
{
	struct ident id;

	if (fast_open(fd, &flags, addr.__sockaddr__, addrlen) != 0)
		return -1;
	if (addr.__sockaddr__ == NULL)
		return send_bytes(fd, buf, len, flags);
	if (shim_ours(fd, &id))
		return send_bytes(fd, buf, len, flags & ~MSG_FASTOPEN);
	return real()->sendto(fd, buf, len, flags, addr, addrlen);
}

EXPORT ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (msg != NULL && flags & MSG_FASTOPEN && fast_open(fd, &flags, msg->msg_name, msg->msg_namelen) != 0)
		return -1;
	return send_any_message(fd, msg, flags);
}

EXPORT int
sendmmsg(int fd, struct mmsghdr *vec, unsigned int count, int flags)
{
	struct ident id;
	unsigned int done;

	if (vec == NULL || !shim_ours(fd, &id))
		return real()->sendmmsg(fd, vec, count, flags);
	for (done = 0; done < count && done < UIO_MAXIOV; done++) {
		ssize_t n = send_any_message(fd, &vec[done].msg_hdr, flags);

		if (n < 0)
			break;
		vec[done].msg_len = (unsigned int)n;
	}
	return done == 0 && count != 0 ? -1 : (int)done;
}
