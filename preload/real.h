/* real: the functions that ours stand in front of, resolved once. */
#ifndef KCPSHIM_PRELOAD_REAL_H
#define KCPSHIM_PRELOAD_REAL_H

#include <fcntl.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The fortified forms that compilers put in place of recv and recvfrom. */
ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *restrict, size_t, size_t, int, __SOCKADDR_ARG, socklen_t *restrict);

#define REAL_FUNCTIONS(X) \
	X(accept) X(accept4) X(bind) X(close) X(connect) X(dup) X(dup2) X(dup3) X(epoll_ctl) \
	X(_exit) X(_Exit) X(execve) X(execveat) X(execvpe) X(fcntl) X(fcntl64) X(fexecve) \
	X(getpeername) X(getsockname) X(getsockopt) X(ioctl) X(listen) \
	X(posix_spawn) X(posix_spawnp) X(quick_exit) \
	X(recv) X(recvfrom) X(recvmmsg) X(recvmsg) X(__recv_chk) X(__recvfrom_chk) \
	X(send) X(sendmmsg) X(sendmsg) X(sendto) X(setsockopt) X(shutdown)

struct real {
#define X(name) __typeof__(name) *name;
	REAL_FUNCTIONS(X)
#undef X
};

extern struct real real_table;
extern atomic_bool real_ready;

/* Fills the table; any number of threads may do so at once. */
void real_resolve(void);

/* The table. Calls may come before our constructor, from those of other libraries. */
static inline const struct real *
real(void)
{
	if (__builtin_expect(!atomic_load_explicit(&real_ready, memory_order_acquire), 0))
		real_resolve();
	return &real_table;
}

/* Closes a descriptor of our own. Unlike close() it is no cancellation point, as most calls are none that need it. */
static inline void
real_dispose(int fd)
{
	(void)syscall(SYS_close, fd);
}

#endif
