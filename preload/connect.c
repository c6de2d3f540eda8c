#include "connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/time.h>

#include "ctl.h"
#include "engine/fdroom.h"
#include "real.h"
#include "shim.h"
#include "swap.h"

static bool
is_any(const struct netaddr *a)
{
	static const uint8_t mapped_any[16] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t zero[16];

	return memcmp(a->ip, zero, 16) == 0 || (a->family == 6 && memcmp(a->ip, mapped_any, 16) == 0);
}

static bool
is_multicast(const struct netaddr *a)
{
	struct netaddr u = *a;

	netaddr_unmap(&u);
	if (u.family == 6)
		return u.ip[0] == 0xff;
	return u.ip[0] >= 224;
}

/* Connecting to "any" means the loopback interface. */
static void
replace_any(struct netaddr *a)
{
	static const uint8_t loopback4[4] = { 127, 0, 0, 1 };

	if (!is_any(a))
		return;
	if (a->family == 4)
		memcpy(a->ip, loopback4, 4);
	else if (a->ip[10] == 0xff)
		memcpy(a->ip + 12, loopback4, 4);
	else
		a->ip[15] = 1;
}

static enum rules_action
match(const struct sockaddr *sa, socklen_t len, struct netaddr *a)
{
	struct rules_options opts;

	/* What the kernel refuses it is asked about. */
	if (!shim.config.active || sa == NULL || len > sizeof(struct sockaddr_storage) || !ident_from_sockaddr(a, sa, len) || is_multicast(a))
		return RULES_TCP;
	replace_any(a);
	netaddr_unmap(a);
	return config_match(&shim.config, RULES_CONNECT, a, &opts);
}

bool
connect_matches(const struct sockaddr *sa, socklen_t len)
{
	struct netaddr a;

	return match(sa, len, &a) != RULES_TCP;
}

/* Bound to where it is to connect to. */
static bool
is_itself(int fd, const struct netaddr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct netaddr own;

	if (real()->getsockname(fd, (struct sockaddr *)&ss, &len) != 0 || !ident_from_sockaddr(&own, (struct sockaddr *)&ss, len) ||
	    own.port != a->port)
		return false;
	replace_any(&own);
	netaddr_unmap(&own);
	return own.family == a->family && memcmp(own.ip, a->ip, sizeof(own.ip)) == 0;
}

/* What the kernel refuses by itself is left to it: another family, IPv4 over an IPv6-only socket. So is a socket that connects to itself. */
static bool
is_candidate(int fd, int family, const struct netaddr *a)
{
	socklen_t len = sizeof(int);
	int domain, only = 0;

	if (!swap_is_idle_tcp(fd, &domain) || domain != family)
		return false;
	if (domain == AF_INET6 && a->family == 4 &&
	    (real()->getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) != 0 || only))
		return false;
	return !is_itself(fd, a);
}

/* A connection attempt in the course of one connect(). */
struct attempt {
	int fd;
	uint64_t cookie;
	int flags;     /* the program's, F_GETFL */
	int sock;      /* control connection */
	int pair;      /* the program's end, -1 while there is none */
	int error;     /* outcome, positive errno */
	uint32_t state; /* enum ctl_state of the answer */
	int cancel;    /* the caller's cancellation state, in force only during the wait */
};

static void
attempt_release(void *arg)
{
	struct attempt *a = arg;

	if (a->pair >= 0)
		real_dispose(a->pair);
	if (a->sock >= 0)
		real_dispose(a->sock);
	a->pair = a->sock = -1;
}

/* One reply into the attempt. False: none came, errno tells why. */
static bool
take_reply(struct attempt *a)
{
	struct ctl_reply rep;

	if (ctl_receive(a->sock, &rep, &a->pair) != 0)
		return false;
	a->error = rep.error;
	a->state = rep.state;
	return true;
}

/* The wait was cut short: the attempt goes on without this call, behind a pending pair. */
static void
detach(struct attempt *a, struct ctl_request *req, int why)
{
	static const struct timeval limit = { .tv_sec = 5 };
	bool answered = false;

	real()->setsockopt(a->sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	req->op = CTL_CONNECT_DETACH;
	if (ctl_send(a->sock, req, -1) == 0) {
		do {
			answered = take_reply(a);
		} while (!answered && errno == EINTR);
	}
	/* The outcome may have crossed the request; then it counts. */
	if (!answered)
		a->error = ECONNREFUSED;
	else if (a->pair >= 0 && a->error != 0)
		a->error = why;
}

static void
wait_outcome(struct attempt *a, struct ctl_request *req)
{
	struct timeval limit = { 0 };
	socklen_t len = sizeof(limit);
	bool answered;

	/* With a limit the kernel interrupts both waits whatever SA_RESTART says; without one it restarts both. */
	if (real()->getsockopt(a->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &len) == 0 && (limit.tv_sec || limit.tv_usec))
		real()->setsockopt(a->sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	pthread_setcancelstate(a->cancel, NULL);
	answered = take_reply(a);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	if (answered)
		return;
	if (errno == EINTR)
		detach(a, req, EINTR);
	else if (errno == EAGAIN)
		detach(a, req, EINPROGRESS);
	else
		a->error = errno == EMFILE ? EMFILE : ECONNREFUSED;
}

static void
take_answer_at_once(struct attempt *a)
{
	while (!take_reply(a)) {
		if (errno != EINTR) {
			a->error = errno;
			return;
		}
	}
}

/* Asks the engine and swaps when it gave a descriptor. 0, or a positive errno. */
static int
attempt_connect(struct attempt *a, const struct netaddr *to)
{
	struct ctl_request req;
	uint64_t engine;
	bool nonblock = a->flags & O_NONBLOCK;
	int error = shim_engine(RULES_CONNECT, to, &engine);

	if (error != 0)
		return error;
	ctl_prepare(&req, CTL_CONNECT, NULL);
	req.addr = *to;
	req.flags = nonblock ? CTL_F_NONBLOCK : 0;
	a->sock = ctl_open(engine);
	if (a->sock < 0 || ctl_send(a->sock, &req, a->fd) != 0)
		return errno;
	if (nonblock)
		take_answer_at_once(a);
	else
		wait_outcome(a, &req);
	if (a->pair < 0 && (a->state == CTL_ST_KERNEL || a->state == CTL_ST_KERNEL_UP))
		return a->error;
	if (a->pair < 0)
		return a->error ? a->error : ECONNREFUSED;
	error = swap_socket(a->fd, a->cookie, a->pair, a->flags);
	a->pair = -1;
	/* A number that another thread closed meanwhile: the call tells of the socket, which is gone. */
	if (error != 0 && error != EBADF)
		return error;
	atomic_store(&shim.may_hold_ours, true);
	return a->error;
}

/* *kernel: the rule leaves it to the TCP socket, which is still there and not connected. */
static int
connect_kcp(int fd, const struct netaddr *to, bool *kernel)
{
	struct attempt a = { .fd = fd, .cookie = swap_cookie(fd), .flags = real()->fcntl(fd, F_GETFL), .sock = -1, .pair = -1 };
	int error;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &a.cancel);
	pthread_cleanup_push(attempt_release, &a);
	error = attempt_connect(&a, to);
	pthread_cleanup_pop(1);
	pthread_setcancelstate(a.cancel, NULL);
	*kernel = error == 0 && a.state == CTL_ST_KERNEL;
	return error;
}

/* --- connect() on a descriptor that is ours already --- */

int
connect_dissolve(int fd, const struct ident *id)
{
	uint64_t cookie = swap_cookie(fd);
	struct ctl_request req;
	struct ctl_reply rep;
	int tcp = -1, flags = real()->fcntl(fd, F_GETFL);

	ctl_prepare(&req, CTL_DISCONNECT, id);
	(void)ctl_exchange(id->engine, &req, fd, &rep, &tcp);
	if (tcp < 0)
		tcp = fdroom_socket(id->domain, SOCK_STREAM, IPPROTO_TCP);
	if (tcp < 0)
		return errno;
	return swap_socket(fd, cookie, tcp, flags);
}

static void
wait_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct timeval limit = { 0 };
	socklen_t len = sizeof(limit);
	int ms = -1;

	if (real()->getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &len) == 0 && (limit.tv_sec || limit.tv_usec))
		ms = (int)(limit.tv_sec * 1000 + (limit.tv_usec + 999) / 1000);
	switch (poll(&p, 1, ms)) {
	case 0:
		errno = EALREADY;
		break;
	case 1:
		errno = 0;
		break;
	}
}

static int
connect_again(int fd, const struct ident *id)
{
	struct ctl_request req;
	struct ctl_reply rep;

	for (;;) {
		ctl_prepare(&req, CTL_CONNECT_AGAIN, id);
		if (ctl_exchange(id->engine, &req, fd, &rep, NULL) != 0)
			return EISCONN;
		if (rep.error != EALREADY || real()->fcntl(fd, F_GETFL) & O_NONBLOCK)
			break;
		wait_writable(fd);
		if (errno != 0)
			return errno;
	}
	/* A failed attempt leaves a socket that may try again. */
	if (rep.error != 0 && rep.error != EALREADY && rep.error != EISCONN)
		(void)connect_dissolve(fd, id);
	return rep.error;
}

static int
connect_ours(int fd, const struct ident *id, const struct sockaddr *sa, socklen_t len)
{
	struct netaddr a;

	if (len < sizeof(sa->sa_family) || len > sizeof(struct sockaddr_storage))
		return EINVAL;
	if (sa == NULL)
		return EFAULT;
	if (sa->sa_family == AF_UNSPEC)
		return connect_dissolve(fd, id);
	if (id->role == IDENT_LISTENER)
		return EISCONN;
	if (sa->sa_family == id->domain && !ident_from_sockaddr(&a, sa, len))
		return EINVAL;
	return connect_again(fd, id);
}

int
connect_socket(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct netaddr to;
	struct ident id;
	int saved = errno, error;
	bool kernel = false;

	if (shim_ours(fd, &id)) {
		error = connect_ours(fd, &id, sa, len);
	} else {
		if (match(sa, len, &to) == RULES_TCP || !is_candidate(fd, sa->sa_family, &to))
			return real()->connect(fd, sa, len);
		error = connect_kcp(fd, &to, &kernel);
		if (kernel)
			return real()->connect(fd, sa, len);
	}
	errno = error ? error : saved;
	return error ? -1 : 0;
}

EXPORT int
connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	return connect_socket(fd, addr.__sockaddr__, len);
}
