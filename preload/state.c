#include "state.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "ctl.h"
#include "real.h"
#include "shim.h"

static short
events_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int cancel, n;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	n = poll(&p, 1, 0);
	pthread_setcancelstate(cancel, NULL);
	return n < 0 ? 0 : p.revents;
}

enum ctl_state
state_of(int fd, const struct ident *id)
{
	int saved = errno;
	short events = events_now(fd);
	struct ctl_reply rep;

	errno = saved;
	if ((events & (POLLOUT | POLLHUP)) == POLLOUT)
		return id->role == IDENT_LISTENER ? CTL_ST_LISTEN : CTL_ST_ESTABLISHED;
	if (ctl_query(fd, id, &rep))
		return (enum ctl_state)rep.state;
	if (events & POLLHUP)
		return CTL_ST_CLOSED;
	return id->role == IDENT_LISTENER ? CTL_ST_LISTEN : CTL_ST_ESTABLISHED;
}

static bool
engine_error(int fd, const struct ident *id, int *error)
{
	struct ctl_request req;
	struct ctl_reply rep;

	ctl_prepare(&req, CTL_GETSOCKOPT, id);
	req.level = SOL_SOCKET;
	req.optname = SO_ERROR;
	req.optlen = sizeof(int);
	if (ctl_exchange(id->engine, &req, fd, &rep, NULL) != 0 || rep.error != 0 || rep.optlen < sizeof(int))
		return false;
	memcpy(error, rep.opt, sizeof(int));
	return true;
}

int
state_take_error(int fd, const struct ident *id)
{
	int saved = errno, pending = 0, told;
	socklen_t len = sizeof(pending);

	if (real()->getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len) != 0)
		pending = 0;
	/* The kernel pair tells that an error is pending, as the engine sees to; the session knows which. */
	if (pending != 0 && engine_error(fd, id, &told))
		pending = told ? told : pending;
	/* A reset behind the end of the stream is nothing to the pair, which reading would tell it in place of the end. */
	else if (pending == 0 && (events_now(fd) & POLLHUP) && engine_error(fd, id, &told) && told == EPIPE)
		pending = EPIPE;
	errno = saved;
	return pending;
}

int
state_true_error(int fd, int error)
{
	struct ident id;
	int told;

	if ((error != ECONNRESET && error != EPIPE) || !shim_ours(fd, &id))
		return error;
	if (error == EPIPE)
		told = state_take_error(fd, &id);
	else if (!engine_error(fd, &id, &told))
		told = 0;
	return told ? told : error;
}
