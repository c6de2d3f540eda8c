#include "swap.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include "real.h"
#include "table.h"

uint64_t
swap_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int saved = errno;

	if (real()->getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) != 0)
		cookie = 0;
	errno = saved;
	return cookie;
}

static bool
int_option(int fd, int level, int name, int *value)
{
	socklen_t len = sizeof(*value);

	return real()->getsockopt(fd, level, name, value, &len) == 0;
}

bool
swap_is_idle_tcp(int fd, int *domain)
{
	unsigned char state = 0;
	socklen_t len = sizeof(state);
	int saved = errno, protocol;
	bool idle;

	idle = int_option(fd, SOL_SOCKET, SO_PROTOCOL, &protocol) && protocol == IPPROTO_TCP &&
	    int_option(fd, SOL_SOCKET, SO_DOMAIN, domain) &&
	    real()->getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &len) == 0 && state == TCP_CLOSE;
	errno = saved;
	return idle;
}

/* Options that the kernel pair itself acts on; the engine reads all others from the TCP socket that it was given. */
static void
carry_options(int from, int to)
{
	static const struct {
		int name;
		bool time;
		int initial;
	} options[] = {
		{ SO_RCVTIMEO, true, 0 },
		{ SO_SNDTIMEO, true, 0 },
		{ SO_RCVLOWAT, false, 1 },
		{ SO_OOBINLINE, false, 0 },
		{ SO_PEEK_OFF, false, -1 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct timeval tv = { 0 };
		socklen_t len = sizeof(tv);
		int value = options[i].initial;

		if (options[i].time) {
			if (real()->getsockopt(from, SOL_SOCKET, options[i].name, &tv, &len) == 0 &&
			    (tv.tv_sec != 0 || tv.tv_usec != 0))
				real()->setsockopt(to, SOL_SOCKET, options[i].name, &tv, sizeof(tv));
		} else if (int_option(from, SOL_SOCKET, options[i].name, &value) && value != options[i].initial) {
			real()->setsockopt(to, SOL_SOCKET, options[i].name, &value, sizeof(value));
		}
	}
}

static void
carry_owner(int from, int to)
{
	struct f_owner_ex owner = { 0 };
	int sig = real()->fcntl(from, F_GETSIG);

	if (real()->fcntl(from, F_GETOWN_EX, &owner) == 0 && owner.pid != 0)
		real()->fcntl(to, F_SETOWN_EX, &owner);
	if (sig > 0)
		real()->fcntl(to, F_SETSIG, sig);
}

/* epoll holds on to a socket that somebody else still has open (the engine keeps the TCP socket), so the old
 * registration is removed by hand; that also tells whether the advice was still true. */
static int
unwatch(int fd, struct table_watch watches[TABLE_WAYS])
{
	int n = table_watches(fd, watches), valid = 0;

	for (int i = 0; i < n; i++) {
		if (real()->epoll_ctl(watches[i].epfd, EPOLL_CTL_DEL, fd, NULL) == 0)
			watches[valid++] = watches[i];
	}
	return valid;
}

static int
replace(int fd, int with)
{
	struct table_watch watches[TABLE_WAYS];
	int cloexec = real()->fcntl(fd, F_GETFD);
	int n, error = 0;

	if (cloexec < 0)
		return EBADF;
	n = unwatch(fd, watches);
	if (real()->dup3(with, fd, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		error = errno;
	for (int i = 0; i < n; i++)
		real()->epoll_ctl(watches[i].epfd, EPOLL_CTL_ADD, fd, &watches[i].event);
	return error;
}

static void
replace_copies(int fd, uint64_t cookie, int with)
{
	int copies[TABLE_COPIES];
	int n = table_copies(copies);

	for (int i = 0; i < n; i++) {
		if (copies[i] != fd && copies[i] != with && swap_cookie(copies[i]) == cookie)
			replace(copies[i], with);
	}
}

int
swap_socket(int fd, uint64_t cookie, int with, int flags)
{
	int saved = errno, error;

	if (flags < 0 || cookie == 0 || swap_cookie(fd) != cookie) {
		real_dispose(with);
		errno = saved;
		return EBADF;
	}
	carry_options(fd, with);
	carry_owner(fd, with);
	real()->fcntl(with, F_SETFL, flags & O_NONBLOCK);
	error = replace(fd, with);
	/* SIGIO tells the number on which it was asked for, so only now. */
	if (error == 0 && flags & O_ASYNC)
		real()->fcntl(fd, F_SETFL, flags & (O_NONBLOCK | O_ASYNC));
	if (error == 0)
		replace_copies(fd, cookie, with);
	real_dispose(with);
	errno = saved;
	return error;
}
