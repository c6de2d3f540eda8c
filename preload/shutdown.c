/* shutdown, close: errors by the session's state, and SO_LINGER's wait. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "connect.h"
#include "ctl.h"
#include "real.h"
#include "shim.h"
#include "state.h"

/* What inet_shutdown() does in each state. 0, or a positive errno. */
static int
shutdown_ours(int fd, const struct ident *id, int how)
{
	if (how < SHUT_RD || how > SHUT_RDWR)
		return EINVAL;
	switch (state_of(fd, id)) {
	case CTL_ST_CONNECTING:
		return connect_dissolve(fd, id);
	case CTL_ST_CLOSED:
	case CTL_ST_RESET:
	case CTL_ST_FAILED:
		return ENOTCONN;
	case CTL_ST_LISTEN:
		/* A listener writes nothing; only SHUT_RD ends it. */
		if (how == SHUT_WR)
			return 0;
		how = SHUT_RDWR;
		break;
	default:
		break;
	}
	return real()->shutdown(fd, how) == 0 ? 0 : errno;
}

EXPORT int
shutdown(int fd, int how)
{
	struct ident id;
	int saved = errno, error;

	if (!shim_ours(fd, &id))
		return real()->shutdown(fd, how);
	error = shutdown_ours(fd, &id, how);
	errno = error ? error : saved;
	return error ? -1 : 0;
}

/* SO_LINGER with a time: close() waits until the peer has everything, or the time is over. True: with 0, which makes it a reset. */
static bool
linger(int fd, const struct ident *id)
{
	struct ctl_request req;
	struct ctl_reply rep;
	struct linger l = { 0 };

	ctl_prepare(&req, CTL_GETSOCKOPT, id);
	req.level = SOL_SOCKET;
	req.optname = SO_LINGER;
	req.optlen = sizeof(l);
	if (ctl_exchange(id->engine, &req, fd, &rep, NULL) != 0 || rep.error != 0 || rep.optlen != sizeof(l))
		return false;
	memcpy(&l, rep.opt, sizeof(l));
	if (!l.l_onoff || l.l_linger <= 0)
		return l.l_onoff;
	ctl_prepare(&req, CTL_DRAIN, id);
	req.timeout_ms = l.l_linger < 1000000 ? (uint32_t)l.l_linger * 1000 : 1000000000;
	(void)ctl_exchange(id->engine, &req, fd, &rep, NULL);
	return false;
}

/* Over TCP a peer on the same host is reset as close() returns. */
static void
wait_reset(uint64_t engine)
{
	struct ctl_request req;
	struct ctl_reply rep;
	int saved = errno, cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ctl_prepare(&req, CTL_SYNC, NULL);
	req.flags |= CTL_F_SENT;
	(void)ctl_exchange(engine, &req, -1, &rep, NULL);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
}

EXPORT int
close(int fd)
{
	struct ident id;
	bool reset = false;
	int rc;

	if (__builtin_expect(atomic_load_explicit(&shim.may_linger, memory_order_relaxed), 0) && shim_ours(fd, &id) &&
	    id.role != IDENT_LISTENER)
		reset = linger(fd, &id);
	rc = real()->close(fd);
	if (reset && rc == 0)
		wait_reset(id.engine);
	return rc;
}
