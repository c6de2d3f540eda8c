/* sockopt: options of our sockets are answered from the identity, by the kernel pair, or by the engine. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#include "ctl.h"
#include "engine/fdroom.h"
#include "real.h"
#include "shim.h"
#include "state.h"
#include "swap.h"

/* Where an option at SOL_SOCKET is answered; what is not listed here, and all other levels, is the engine's. */
enum owner {
	OWNER_ENGINE,
	OWNER_PAIR,      /* the kernel acts on the program's end */
	OWNER_BOTH,      /* the engine judges the value and acts on readiness, the kernel acts on blocking calls */
	OWNER_IDENTITY,
};

static enum owner
owner_of(int level, int name)
{
	if (level != SOL_SOCKET)
		return OWNER_ENGINE;
	switch (name) {
	case SO_DOMAIN:
	case SO_TYPE:
	case SO_PROTOCOL:
	case SO_ACCEPTCONN:
	case SO_ERROR:
	case SO_PEERNAME:
		return OWNER_IDENTITY;
	case SO_RCVTIMEO_OLD:
	case SO_SNDTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_NEW:
	case SO_PEEK_OFF:
	case SO_COOKIE:
	case SO_ATTACH_FILTER:
	case SO_ATTACH_BPF:
	case SO_DETACH_FILTER:
	case SO_LOCK_FILTER:
		return OWNER_PAIR;
	case SO_RCVLOWAT:
	case SO_OOBINLINE:
		return OWNER_BOTH;
	default:
		return OWNER_ENGINE;
	}
}

static int
identity_option(int fd, const struct ident *id, int name)
{
	switch (name) {
	case SO_DOMAIN:
		return id->domain;
	case SO_TYPE:
		return SOCK_STREAM;
	case SO_PROTOCOL:
		return IPPROTO_TCP;
	case SO_ACCEPTCONN:
		return id->role == IDENT_LISTENER;
	default:
		return state_take_error(fd, id);
	}
}

/* Without an engine a fresh TCP socket still knows defaults and refuses what TCP refuses. */
static int
scratch_get(const struct ident *id, int level, int name, void *value, socklen_t *len)
{
	int scratch = fdroom_socket(id->domain, SOCK_STREAM, IPPROTO_TCP), error = 0;

	if (scratch < 0)
		return ENOBUFS;
	if (real()->getsockopt(scratch, level, name, value, len) != 0)
		error = errno;
	real_dispose(scratch);
	return error;
}

static int
scratch_set(const struct ident *id, int level, int name, const void *value, socklen_t len)
{
	int scratch = fdroom_socket(id->domain, SOCK_STREAM, IPPROTO_TCP), error = 0;

	if (scratch < 0)
		return ENOBUFS;
	if (real()->setsockopt(scratch, level, name, value, len) != 0)
		error = errno;
	real_dispose(scratch);
	return error;
}

static int
engine_get(int fd, const struct ident *id, int level, int name, void *value, socklen_t *len)
{
	struct ctl_request req;
	struct ctl_reply rep;

	ctl_prepare(&req, CTL_GETSOCKOPT, id);
	req.level = level;
	req.optname = name;
	req.optlen = *len < CTL_OPTLEN_MAX ? *len : CTL_OPTLEN_MAX;
	if (ctl_exchange(id->engine, &req, fd, &rep, NULL) != 0)
		return scratch_get(id, level, name, value, len);
	if (rep.error != 0)
		return rep.error;
	if (rep.optlen > *len)
		rep.optlen = *len;
	memcpy(value, rep.opt, rep.optlen);
	*len = rep.optlen;
	return 0;
}

static int
engine_set(int fd, const struct ident *id, int level, int name, const void *value, socklen_t len)
{
	struct ctl_request req;
	struct ctl_reply rep;

	ctl_prepare(&req, CTL_SETSOCKOPT, id);
	req.level = level;
	req.optname = name;
	req.optlen = len < CTL_OPTLEN_MAX ? len : CTL_OPTLEN_MAX;
	memcpy(req.opt, value, req.optlen);
	if (ctl_exchange(id->engine, &req, fd, &rep, NULL) != 0)
		return scratch_set(id, level, name, value, len);
	return rep.error;
}

static int
set_both(int fd, const struct ident *id, int name, const void *value, socklen_t len)
{
	int error = engine_set(fd, id, SOL_SOCKET, name, value, len);
	int judged;
	socklen_t judged_len = sizeof(judged);

	if (error == 0 && engine_get(fd, id, SOL_SOCKET, name, &judged, &judged_len) == 0)
		real()->setsockopt(fd, SOL_SOCKET, name, &judged, judged_len);
	return error;
}

/* getpeername(2) by another name. */
static int
peer_name(int fd, const struct ident *id, void *value, socklen_t *len)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int error;

	if (id->role == IDENT_LISTENER || state_of(fd, id) != CTL_ST_ESTABLISHED)
		return ENOTCONN;
	if ((error = shim_copy_address(&id->peer, id->domain, (struct sockaddr *)&ss, &n)) != 0)
		return error;
	if (n < *len)
		return EINVAL;
	memcpy(value, &ss, *len);
	return 0;
}

static int
get_ours(int fd, const struct ident *id, int level, int name, void *value, socklen_t *len)
{
	int number;

	if (len == NULL)
		return EFAULT;
	if ((int)*len < 0)
		return EINVAL;
	if (value == NULL && *len != 0)
		return EFAULT;
	switch (owner_of(level, name)) {
	case OWNER_IDENTITY:
		if (name == SO_PEERNAME)
			return peer_name(fd, id, value, len);
		number = identity_option(fd, id, name);
		if (*len > sizeof(number))
			*len = sizeof(number);
		memcpy(value, &number, *len);
		return 0;
	case OWNER_PAIR:
		return real()->getsockopt(fd, level, name, value, len) == 0 ? 0 : errno;
	default:
		return engine_get(fd, id, level, name, value, len);
	}
}

/* Nothing tells when bytes are no longer needed, so programs had better copy them: refused as by a system that cannot. Sockets that may
 * become ours would take the option with them. */
static bool
is_zero_copy(int level, int name)
{
	return level == SOL_SOCKET && name == SO_ZEROCOPY;
}

static int
set_ours(int fd, const struct ident *id, int level, int name, const void *value, socklen_t len)
{
	if (is_zero_copy(level, name))
		return ENOPROTOOPT;
	if ((int)len < 0)
		return EINVAL;
	if (value == NULL && len != 0)
		return EFAULT;
	switch (owner_of(level, name)) {
	case OWNER_IDENTITY:
		return ENOPROTOOPT;
	case OWNER_PAIR:
		return real()->setsockopt(fd, level, name, value, len) == 0 ? 0 : errno;
	case OWNER_BOTH:
		return set_both(fd, id, name, value, len);
	default:
		return engine_set(fd, id, level, name, value, len);
	}
}

static void
note_linger(int level, int name, const void *value, socklen_t len)
{
	const struct linger *l = value;

	if (level == SOL_SOCKET && name == SO_LINGER && len >= sizeof(*l) && l->l_onoff && l->l_linger >= 0)
		atomic_store(&shim.may_linger, true);
}

EXPORT int
getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
	struct ident id;
	int saved = errno, error;

	if (!shim_ours(fd, &id))
		return real()->getsockopt(fd, level, name, value, len);
	error = get_ours(fd, &id, level, name, value, len);
	errno = error ? error : saved;
	return error ? -1 : 0;
}

EXPORT int
setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct ident id;
	int saved = errno, error;

	if (!shim_ours(fd, &id)) {
		int rc, domain;

		if (is_zero_copy(level, name) && shim.config.active && swap_is_idle_tcp(fd, &domain)) {
			errno = ENOPROTOOPT;
			return -1;
		}
		rc = real()->setsockopt(fd, level, name, value, len);

		if (rc == 0 && shim.config.active)
			note_linger(level, name, value, len);
		return rc;
	}
	error = set_ours(fd, &id, level, name, value, len);
	if (error == 0)
		note_linger(level, name, value, len);
	errno = error ? error : saved;
	return error ? -1 : 0;
}
