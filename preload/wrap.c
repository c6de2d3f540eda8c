/* wrap: what src/ calls by libc's names reaches the real functions, not our own in front of them.
 *
 * The engine lives in the same shared object as the interposed calls; without this its own connect() on a UDP socket would
 * go through ours. The linker's --wrap turns its references into these.
 */
#include <stdarg.h>
#include <sys/uio.h>

#include "real.h"

int __wrap_accept4(int, struct sockaddr *, socklen_t *, int);
int __wrap_close(int);
int __wrap_connect(int, const struct sockaddr *, socklen_t);
int __wrap_epoll_ctl(int, int, int, struct epoll_event *);
int __wrap_fcntl(int, int, ...);
int __wrap_getpeername(int, struct sockaddr *, socklen_t *);
int __wrap_getsockname(int, struct sockaddr *, socklen_t *);
int __wrap_getsockopt(int, int, int, void *, socklen_t *);
int __wrap_ioctl(int, unsigned long, ...);
int __wrap_listen(int, int);
ssize_t __wrap_recv(int, void *, size_t, int);
int __wrap_recvmmsg(int, struct mmsghdr *, unsigned, int, struct timespec *);
ssize_t __wrap_recvmsg(int, struct msghdr *, int);
ssize_t __wrap_send(int, const void *, size_t, int);
int __wrap_sendmmsg(int, struct mmsghdr *, unsigned, int);
ssize_t __wrap_sendmsg(int, const struct msghdr *, int);
int __wrap_setsockopt(int, int, int, const void *, socklen_t);
int __wrap_shutdown(int, int);
void __wrap__exit(int) __attribute__((noreturn));

int
__wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	return real()->accept4(fd, sa, len, flags);
}

int
__wrap_close(int fd)
{
	return real()->close(fd);
}

int
__wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	return real()->connect(fd, sa, len);
}

int
__wrap_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	return real()->epoll_ctl(ep, op, fd, ev);
}

int
__wrap_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return real()->fcntl(fd, cmd, arg);
}

int
__wrap_getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
	return real()->getpeername(fd, sa, len);
}

int
__wrap_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	return real()->getsockname(fd, sa, len);
}

int
__wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return real()->getsockopt(fd, level, name, value, len);
}

int
__wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return real()->ioctl(fd, request, arg);
}

int
__wrap_listen(int fd, int backlog)
{
	return real()->listen(fd, backlog);
}

ssize_t
__wrap_recv(int fd, void *buf, size_t len, int flags)
{
	return real()->recv(fd, buf, len, flags);
}

int
__wrap_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *ts)
{
	return real()->recvmmsg(fd, v, n, flags, ts);
}

ssize_t
__wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	return real()->recvmsg(fd, m, flags);
}

ssize_t
__wrap_send(int fd, const void *buf, size_t len, int flags)
{
	return real()->send(fd, buf, len, flags);
}

int
__wrap_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	return real()->sendmmsg(fd, v, n, flags);
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return real()->sendmsg(fd, m, flags);
}

int
__wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return real()->setsockopt(fd, level, name, value, len);
}

int
__wrap_shutdown(int fd, int how)
{
	return real()->shutdown(fd, how);
}

void
__wrap__exit(int status)
{
	real()->_exit(status);
	__builtin_unreachable();
}
