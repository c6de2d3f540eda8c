/* ioctl, sockatmark: queue lengths are the session's; requests that only IP sockets understand go to one. */
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdarg.h>

#include "ctl.h"
#include "real.h"
#include "shim.h"

static int
queue_length(int fd, const struct ident *id, unsigned long request, int *out)
{
	struct ctl_reply rep;
	uint64_t n;

	if (id->role == IDENT_LISTENER)
		return EINVAL;
	if (out == NULL)
		return EFAULT;
	if (!ctl_query(fd, id, &rep))
		return real()->ioctl(fd, SIOCOUTQ, out) == 0 ? 0 : errno;
	n = request == SIOCOUTQ ? rep.unacked + rep.unsent : rep.unsent;
	*out = n < INT_MAX ? (int)n : INT_MAX;
	return 0;
}

/* Interface and routing requests: any IP socket answers them alike. */
static int
ask_ip_socket(const struct ident *id, unsigned long request, void *arg)
{
	int scratch = socket(id->domain, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP), error = 0;

	if (scratch < 0)
		return ENOTTY;
	if (real()->ioctl(scratch, request, arg) != 0)
		error = errno;
	real_dispose(scratch);
	return error;
}

static int
ioctl_ours(int fd, const struct ident *id, unsigned long request, void *arg)
{
	switch (request) {
	case SIOCOUTQ:
	case SIOCOUTQNSD:
		return queue_length(fd, id, request, arg);
	case SIOCINQ:
		if (id->role == IDENT_LISTENER)
			return EINVAL;
		return real()->ioctl(fd, request, arg) == 0 ? 0 : errno;
	case SIOCATMARK:
		if (id->role == IDENT_LISTENER)
			return ask_ip_socket(id, request, arg);
		/* fall through */
	case FIOSETOWN:
	case FIOGETOWN:
	case SIOCSPGRP:
	case SIOCGPGRP:
		return real()->ioctl(fd, request, arg) == 0 ? 0 : errno;
	default:
		return ask_ip_socket(id, request, arg);
	}
}

static bool
is_socket_request(unsigned long request)
{
	return request == SIOCINQ || request == SIOCOUTQ || (request & ~0xfful) == 0x8900;
}

EXPORT int
ioctl(int fd, unsigned long request, ...)
{
	struct ident id;
	int saved = errno, error;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!shim_hint() || !is_socket_request(request) || !shim_ident(fd, &id))
		return real()->ioctl(fd, request, arg);
	error = ioctl_ours(fd, &id, request, arg);
	errno = error ? error : saved;
	return error ? -1 : 0;
}

/* libc asks the kernel without passing by. */
EXPORT int
sockatmark(int fd)
{
	int mark;

	return ioctl(fd, SIOCATMARK, &mark) == 0 ? mark : -1;
}
