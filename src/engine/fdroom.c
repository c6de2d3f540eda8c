#include "fdroom.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

/* Among the engine's threads: one would put the limit back while another relies on it. */
static pthread_mutex_t fdroom_lock = PTHREAD_MUTEX_INITIALIZER;

void
fdroom_forked(void)
{
	static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

	fdroom_lock = fresh;
}

/* True: the limit is raised, `before` holds what it was. */
static bool
fdroom_raise(struct rlimit *before)
{
	struct rlimit more;

	pthread_mutex_lock(&fdroom_lock);
	if (getrlimit(RLIMIT_NOFILE, before) == 0 && before->rlim_cur != before->rlim_max) {
		more = *before;
		more.rlim_cur = more.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return true;
	}
	pthread_mutex_unlock(&fdroom_lock);
	return false;
}

/* Puts the program's limit back, unless the program set another meanwhile. errno is preserved. */
static void
fdroom_lower(const struct rlimit *before)
{
	struct rlimit now;
	int saved = errno;

	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == before->rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, before);
	pthread_mutex_unlock(&fdroom_lock);
	errno = saved;
}

int
fdroom_socket(int domain, int type, int protocol)
{
	struct rlimit before;
	int fd = socket(domain, type | SOCK_CLOEXEC, protocol);

	if (fd < 0 && errno == EMFILE && fdroom_raise(&before)) {
		fd = socket(domain, type | SOCK_CLOEXEC, protocol);
		fdroom_lower(&before);
	}
	return fd;
}

int
fdroom_socketpair(int type, int sv[2])
{
	struct rlimit before;
	int r = socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv);

	if (r != 0 && errno == EMFILE && fdroom_raise(&before)) {
		r = socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv);
		fdroom_lower(&before);
	}
	return r;
}

int
fdroom_accept(int fd)
{
	struct rlimit before;
	int r = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (r < 0 && errno == EMFILE && fdroom_raise(&before)) {
		r = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		fdroom_lower(&before);
	}
	return r;
}

ssize_t
fdroom_recvmsg(int fd, struct msghdr *m, int flags)
{
	struct rlimit before;
	bool raised = false;
	int probe = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ssize_t n;

	if (probe >= 0)
		close(probe);
	else
		raised = fdroom_raise(&before);
	n = recvmsg(fd, m, flags | MSG_CMSG_CLOEXEC);
	if (raised)
		fdroom_lower(&before);
	return n;
}
