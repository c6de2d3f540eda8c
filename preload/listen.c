/* listen: a bound TCP socket becomes the program's end of a pair over which the engine hands in connections. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "ctl.h"
#include "real.h"
#include "settle.h"
#include "shim.h"
#include "swap.h"

/* Asking the engines leaves one time in some hundred under load: wait(2) has told of a process's end, but its end of the pair is open
 * to its engine for some milliseconds more. Then nobody can be asked. */
#define SETTLE_TRIES 10
#define SETTLE_MS 5

/* The address that fd listens on; binds it to a free port first when it has none, as TCP's listen() does. */
static bool
bound_address(int fd, struct netaddr *a)
{
	struct sockaddr_storage ss;
	struct sockaddr *sa = (struct sockaddr *)&ss;
	socklen_t len;

	for (int tries = 0; tries < 2; tries++) {
		len = sizeof(ss);
		if (real()->getsockname(fd, sa, &len) != 0 || !ident_from_sockaddr(a, sa, len))
			return false;
		if (a->port != 0)
			return true;
		if (real()->bind(fd, sa, len) != 0)
			return false;
	}
	return false;
}

static bool
is_candidate(int fd)
{
	struct rules_options opts;
	struct netaddr a;
	int saved = errno, domain;
	bool wanted;

	if (!shim.config.active || !swap_is_idle_tcp(fd, &domain))
		return false;
	wanted = bound_address(fd, &a);
	if (wanted) {
		netaddr_unmap(&a);
		wanted = config_match(&shim.config, RULES_LISTEN, &a, &opts) != RULES_TCP;
	}
	errno = saved;
	return wanted;
}

static int
listen_kcp(int fd, int backlog)
{
	uint64_t engine, cookie = swap_cookie(fd);
	struct ctl_request req;
	struct ctl_reply rep;
	struct netaddr a;
	int pair, flags = real()->fcntl(fd, F_GETFL), error;

	if (!bound_address(fd, &a))
		return EINVAL;
	if ((error = shim_engine(RULES_LISTEN, &a, &engine)) != 0)
		return error;
	ctl_prepare(&req, CTL_LISTEN, NULL);
	req.backlog = backlog;
	if (ctl_exchange(engine, &req, fd, &rep, &pair) != 0)
		return EADDRINUSE;
	for (int tries = 0; rep.error == EADDRINUSE && tries < SETTLE_TRIES; tries++) {
		if (settle_port(a.port, fd))
			req.flags |= CTL_F_SHARED;
		if (tries > 0)
			poll(NULL, 0, SETTLE_MS);
		if (ctl_exchange(engine, &req, fd, &rep, &pair) != 0)
			return EADDRINUSE;
	}
	if (rep.error == 0 && pair < 0)
		return EADDRINUSE;
	if (rep.error != 0) {
		if (pair >= 0)
			real_dispose(pair);
		return rep.error;
	}
	error = swap_socket(fd, cookie, pair, flags);
	if (error == 0) {
		atomic_store(&shim.may_listen, true);
		atomic_store(&shim.may_hold_ours, true);
	}
	return error;
}

static int
listen_ours(int fd, const struct ident *id, int backlog)
{
	struct ctl_request req;
	struct ctl_reply rep;

	if (id->role != IDENT_LISTENER)
		return EINVAL;
	ctl_prepare(&req, CTL_BACKLOG, id);
	req.backlog = backlog;
	/* A listener whose engine is gone stays one that nobody connects to. */
	return ctl_exchange(id->engine, &req, fd, &rep, NULL) == 0 ? rep.error : 0;
}

EXPORT int
listen(int fd, int backlog)
{
	struct ident id;
	int saved = errno, cancel, error;

	if (shim_ours(fd, &id)) {
		error = listen_ours(fd, &id, backlog);
	} else if (is_candidate(fd)) {
		/* Unlike what it is made of, listen() is no cancellation point. */
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
		error = listen_kcp(fd, backlog);
		pthread_setcancelstate(cancel, NULL);
	} else {
		return real()->listen(fd, backlog);
	}
	errno = error ? error : saved;
	return error ? -1 : 0;
}
