#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../core/endpoint.h"
#include "../core/error.h"
#include "../core/mem.h"
#include "buffers.h"
#include "config.h"
#include "control.h"
#include "fdroom.h"
#include "filler.h"
#include "kcpopt.h"
#include "listener.h"
#include "listener_defer.h"
#include "log.h"
#include "relay_io.h"
#include "sesscfg.h"
#include "udp.h"
#include "udp_poll.h"

int
relay_errno(int core_error)
{
	switch (core_error) {
	case 0:
		return 0;
	case KCPSHIM_E_REFUSED:
		return ECONNREFUSED;
	case KCPSHIM_E_TIMEDOUT:
		return ETIMEDOUT;
	case KCPSHIM_E_HOSTUNREACH:
		return EHOSTUNREACH;
	case KCPSHIM_E_NETUNREACH:
		return ENETUNREACH;
	case KCPSHIM_E_NOMEM:
		return ENOBUFS;
	default:
		return ECONNRESET;
	}
}

struct conn *
relay_find(struct loop *l, uint32_t id)
{
	struct conn *c;

	LIST_FOREACH(c, &l->conns[id % LOOP_HASH], by_id)
		if (c->id == id)
			return c;
	return NULL;
}

void
relay_mark(struct loop *l, struct conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&l->dirty, c, queue);
}

static struct conn *
relay_new(struct loop *l)
{
	struct conn *c = mem_alloc(l->mem, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->src.fd = -1;
	c->src.size = sizeof(*c);
	c->src.ready = relay_ready;
	c->cork_deadline = c->drain_deadline = KCP_NEVER;
	c->id = loop_new_id(l);
	LIST_INSERT_HEAD(&l->conns[c->id % LOOP_HASH], c, by_id);
	l->nconns++;
	return c;
}

static void
relay_untime(struct loop *l, struct conn *c)
{
	if (c->timed)
		TAILQ_REMOVE(&l->timed, c, timer);
	c->timed = false;
}

static void
relay_time(struct loop *l, struct conn *c)
{
	bool wanted = c->cork_deadline != KCP_NEVER || c->drain_deadline != KCP_NEVER || tunnel_deadline(c) != KCP_NEVER;

	if (!wanted)
		relay_untime(l, c);
	else if (!c->timed) {
		c->timed = true;
		TAILQ_INSERT_TAIL(&l->timed, c, timer);
	}
}

/* Takes the connection out of every table and frees it at the end of the turn. Its session must be gone or orphaned. */
static void
relay_free(struct loop *l, struct conn *c)
{
	LIST_REMOVE(c, by_id);
	l->nconns--;
	if (c->dirty)
		TAILQ_REMOVE(&l->dirty, c, queue);
	relay_untime(l, c);
	tunnel_drop(l, c);
	if (c->waiter != NULL)
		control_reply_error(l, c->waiter, c->error != 0 ? c->error : ECONNABORTED);
	if (c->drainer != NULL)
		control_reply_error(l, c->drainer, 0);
	if (c->udp != NULL)
		udp_close_later(l, c->udp, c->aborted);
	options_dispose(l->mem, &c->options);
	loop_retire(l, &c->src);
}

/* The program is done with it (its end is closed, or was never handed out) but the session may still have to deliver and linger:
 * the connection then stays, without a pair, until the session is over. */
static void
relay_settle(struct loop *l, struct conn *c)
{
	enum session_state st = session_state(c->session);

	if (st != SESSION_CLOSED)
		return;
	c->aborted = session_error(c->session) == KCPSHIM_E_RESET;
	endpoint_release(l->ep, c->session);
	c->session = NULL;
	relay_free(l, c);
}

void
relay_over(struct loop *l, struct conn *c)
{
	if (c->src.fd >= 0)
		relay_close_pair(l, c);
	relay_free(l, c);
}

/* --- opening --- */

static int
relay_local_address(int tcp_fd, int *domain, struct netaddr *local)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(*domain);
	static const uint8_t any[16];

	if (getsockopt(tcp_fd, SOL_SOCKET, SO_DOMAIN, domain, &len) != 0)
		return errno;
	len = sizeof(ss);
	if (getsockname(tcp_fd, (struct sockaddr *)&ss, &len) != 0)
		return errno;
	if (!ident_from_sockaddr(local, (struct sockaddr *)&ss, len))
		return EAFNOSUPPORT;
	if (local->port == 0 && memcmp(local->ip, any, sizeof(any)) == 0)
		local->family = 0;
	return 0;
}

/* SO_REUSEADDR lets a program connect from one port to several peers. */
static enum udp_share
relay_share(int tcp_fd, const struct netaddr *local)
{
	int reuse = 0;
	socklen_t len = sizeof(reuse);

	if (local->port == 0 || getsockopt(tcp_fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &len) != 0 || reuse == 0)
		return UDP_ALONE;
	return UDP_BESIDE;
}

static int
relay_open_udp(struct loop *l, struct conn *c, int tcp_fd, const struct netaddr *peer)
{
	struct netaddr local, remote = *peer;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int error, domain;

	if ((error = relay_local_address(tcp_fd, &c->ident.domain, &local)) != 0)
		return error;
	netaddr_unmap(&remote);
	domain = remote.family == 4 ? AF_INET : AF_INET6;
	if (domain == AF_INET && local.family == 6) {
		static const uint8_t any[16];
		uint16_t port = local.port;

		netaddr_unmap(&local);
		if (local.family == 6 && memcmp(local.ip, any, sizeof(any)) != 0)
			return ENETUNREACH;
		if (local.family == 6)
			local = (struct netaddr){ .family = 4, .port = port };
	}
	if ((error = udp_open(l, &local, &remote, domain, tcp_fd, relay_share(tcp_fd, &local), &c->udp)) != 0)
		return error;
	if (local.port != 0 && udp_is_double(l, c->udp))
		return EADDRNOTAVAIL;
	/* connect() to the wildcard address reaches this host: the kernel knows the address it chose. */
	if (getpeername(c->udp->src.fd, (struct sockaddr *)&ss, &len) != 0 ||
	    !ident_from_sockaddr(&remote, (struct sockaddr *)&ss, len))
		return ENOTCONN;
	c->ident.role = IDENT_CONNECTED;
	c->ident.engine = l->id;
	c->ident.id = c->id;
	c->ident.local = c->udp->local;
	c->ident.peer = remote;
	return 0;
}

int
relay_connect(struct loop *l, int tcp_fd, const struct netaddr *peer, struct conn **out)
{
	struct conn *c = relay_new(l);
	struct rules_options opts;
	struct session_config cfg;
	struct netaddr key = *peer;
	struct path path = { 0 };
	enum rules_action action;
	int error;

	if (c == NULL)
		return ENOBUFS;
	netaddr_unmap(&key);
	*out = NULL;
	action = config_match(l->cfg, RULES_CONNECT, &key, &opts);
	if (action == RULES_TCP || (action == RULES_AUTO && tunnel_known(l, &key))) {
		error = action == RULES_TCP ? EHOSTUNREACH : 0;
		goto fail;
	}
	if ((error = relay_open_udp(l, c, tcp_fd, peer)) != 0 ||
	    (error = options_read(l->mem, &l->usual, &c->options, tcp_fd, c->ident.domain, l->now)) != 0)
		goto fail;
	if ((error = sesscfg_make(l, &opts, &cfg)) != 0)
		goto fail;
	path.sock = c->udp->handle;
	path.remote = c->ident.peer;
	if ((c->session = endpoint_connect(l->ep, &path, &cfg, l->now)) == NULL) {
		error = ENOBUFS;
		goto fail;
	}
	session_set_owner(c->session, c);
	c->keep_idle_us = cfg.keep_idle_us;
	if (action == RULES_AUTO && (error = tunnel_arm(l, c, tcp_fd)) != 0) {
		session_set_owner(c->session, NULL);
		session_abort(c->session, l->now);
		goto fail;
	}
	relay_apply_options(l, c);
	relay_time(l, c);
	*out = c;
	return 0;
fail:
	relay_free(l, c);
	return error;
}

int
relay_accept(struct loop *l, struct session *s, struct listener *li, struct conn **out, int *app_fd)
{
	struct conn *c = relay_new(l);
	const struct path *path = session_path(s);
	int error;

	if (c == NULL)
		return ENOBUFS;
	c->session = s;
	session_set_owner(s, c);
	c->ident = li->ident;
	c->ident.role = IDENT_ACCEPTED;
	c->ident.id = c->id;
	c->ident.peer = *session_peer(s);
	if (path->local.family != 0) {
		c->ident.local = path->local;
		c->ident.local.port = li->ident.local.port;
	}
	c->opened = c->reported = true;
	c->keep_idle_us = li->keep_idle_us;
	if ((error = options_copy(l->mem, &c->options, &li->options)) != 0 ||
	    (error = relay_make_pair(l, c, false, app_fd)) != 0) {
		session_set_owner(s, NULL);
		c->session = NULL;
		relay_free(l, c);
		return error;
	}
	relay_apply_options(l, c);
	kcpopt_apply(l, c);
	*out = c;
	return 0;
}

int
relay_make_pair(struct loop *l, struct conn *c, bool pending, int *app_fd)
{
	struct sockaddr_un un;
	struct stat st;
	int sv[2], on = 1, error;
	socklen_t len;

	if (fdroom_socketpair(SOCK_STREAM, sv) != 0)
		return errno;
	c->src.fd = sv[0];
	/* There is no urgent pointer on our wire: such a byte travels in line, and must not be stepped over here. */
	(void)setsockopt(sv[0], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	len = ident_format(&c->ident, &un);
	if (bind(sv[0], (struct sockaddr *)&un, len) != 0 || fcntl(sv[0], F_SETFL, O_NONBLOCK) != 0 || fstat(sv[1], &st) != 0)
		error = errno;
	else if ((error = filler_put(c, sv[1], pending)) == 0) {
		buffers_apply_app(c, sv[1]);
		buffers_apply(l, c);
		error = loop_add(l, &c->src, EPOLLIN | EPOLLRDHUP | EPOLLET);
	}
	if (error != 0) {
		loop_close(l, &c->src);
		close(sv[1]);
		return error;
	}
	c->ino = st.st_ino;
	c->writable = true;
	*app_fd = sv[1];
	return 0;
}

/* --- the session's end of things --- */

static void
relay_opened(struct loop *l, struct conn *c)
{
	c->opened = true;
	tunnel_drop(l, c);
	if (c->waiter != NULL) {
		struct ctl_client *w = c->waiter;
		int app_fd, error;

		c->waiter = NULL;
		c->reported = true;
		if ((error = relay_make_pair(l, c, false, &app_fd)) != 0) {
			control_reply_error(l, w, error);
			session_abort(c->session, l->now);
			return;
		}
		control_reply_fd(l, w, 0, app_fd);
		close(app_fd);
	} else if (c->filler > 0)
		filler_drop(c);
	c->readable = true;
	relay_mark(l, c);
}

/* The session is over. Bytes that already arrived are still handed to the program, as TCP does after a RST;
 * closing the engine's end then shows what happened. */
static void
relay_closed(struct loop *l, struct conn *c)
{
	int error = relay_errno(session_error(c->session));
	struct session_info si;

	/* In CLOSE_WAIT a reset is told as EPIPE (Linux tcp_reset()). */
	session_get_info(c->session, &si);
	if (error == ECONNRESET && si.got_fin && !si.sent_fin)
		error = EPIPE;
	if (c->tunnel != NULL && tunnel_takes_over(l, c))
		return;
	if (c->error == 0)
		c->error = error;
	if (c->waiter != NULL) {
		struct ctl_client *w = c->waiter;

		c->waiter = NULL;
		control_reply_error(l, w, c->error != 0 ? c->error : ECONNRESET);
	}
	if (c->drainer != NULL) {
		struct ctl_client *d = c->drainer;

		c->drainer = NULL;
		control_reply_error(l, d, 0);
	}
	if (c->src.fd >= 0) {
		if (!c->hup && session_recv_ready(c->session) > 0 && !c->discard) {
			relay_mark(l, c);
			return;
		}
		relay_close_pair(l, c);
	}
	relay_settle(l, c);
}

void
relay_session_ready(struct loop *l, struct session *s)
{
	struct conn *c = session_owner(s);
	unsigned ev = session_take_events(s);

	if (c == NULL && listener_defer_over(l, s, ev)) {
		listener_accepted(l, s);
		c = session_owner(s);
		ev |= SESSION_EV_OPENED | SESSION_EV_READABLE;
	}
	if (c == NULL) {
		if (session_state(s) == SESSION_CLOSED)
			endpoint_release(l->ep, s);
		return;
	}
	if ((ev & SESSION_EV_OPENED) && !c->opened) {
		kcpopt_apply(l, c);
		buffers_apply(l, c);
		relay_opened(l, c);
	}
	if (ev & (SESSION_EV_READABLE | SESSION_EV_WRITABLE)) {
		udp_poll_hint(l, session_path(s)->sock, session_srtt(s));
		relay_mark(l, c);
	}
	if ((ev & SESSION_EV_DRAINED) && c->drainer != NULL)
		relay_mark(l, c);
	if (session_state(s) == SESSION_LINGERING || session_state(s) == SESSION_CLOSED)
		relay_closed(l, c);
}

void
relay_finish(struct loop *l, struct conn *c)
{
	if (session_state(c->session) == SESSION_LINGERING || session_state(c->session) == SESSION_CLOSED)
		relay_closed(l, c);
}

void
relay_abort(struct loop *l, struct conn *c, int error)
{
	c->error = error;
	tunnel_drop(l, c);
	if (c->session != NULL)
		session_abort(c->session, l->now);
	else
		relay_over(l, c);
}

void
relay_drop(struct loop *l, struct conn *c)
{
	c->waiter = NULL;
	relay_abort(l, c, ECONNABORTED);
}

/* --- options, timers, queries --- */

void
relay_apply_options(struct loop *l, struct conn *c)
{
	const struct options *o = &c->options;
	uint64_t user = (uint64_t)(unsigned)options_int(o, IPPROTO_TCP, TCP_USER_TIMEOUT, 0) * 1000u;
	uint64_t idle = c->keep_idle_us, interval = c->keep_idle_us;
	uint32_t count = SESSION_KEEP_FOREVER;

	if (c->session == NULL)
		return;
	if (options_int(o, SOL_SOCKET, SO_KEEPALIVE, 0) != 0) {
		idle = (uint64_t)options_int(o, IPPROTO_TCP, TCP_KEEPIDLE, 7200) * 1000000u;
		interval = (uint64_t)options_int(o, IPPROTO_TCP, TCP_KEEPINTVL, 75) * 1000000u;
		count = (uint32_t)options_int(o, IPPROTO_TCP, TCP_KEEPCNT, 9);
	}
	session_set_timeouts(c->session, user, idle, interval, count, l->now);
	relay_cork(l, c, options_int(o, IPPROTO_TCP, TCP_CORK, 0) != 0);
}

void
relay_cork(struct loop *l, struct conn *c, bool on)
{
	if (c->session == NULL || on == (c->cork_deadline != KCP_NEVER))
		return;
	c->cork_deadline = on ? l->now + 200000u : KCP_NEVER;
	session_cork(c->session, on, l->now);
	relay_time(l, c);
}

void
relay_drain(struct loop *l, struct conn *c, struct ctl_client *d, uint32_t timeout_ms)
{
	c->drainer = d;
	c->drain_deadline = l->now + (uint64_t)timeout_ms * 1000u;
	c->readable = true;
	relay_time(l, c);
	relay_mark(l, c);
}

uint64_t
relay_deadline(const struct loop *l)
{
	uint64_t first = KCP_NEVER;
	struct conn *c;

	TAILQ_FOREACH(c, &l->timed, timer) {
		if (c->cork_deadline < first)
			first = c->cork_deadline;
		if (c->drain_deadline < first)
			first = c->drain_deadline;
		if (tunnel_deadline(c) < first)
			first = tunnel_deadline(c);
	}
	return first;
}

void
relay_timers(struct loop *l)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&l->timed); c != NULL; c = next) {
		next = TAILQ_NEXT(c, timer);
		if (c->cork_deadline <= l->now) {
			/* What waited goes out; what comes later waits again. */
			session_cork(c->session, false, l->now);
			session_cork(c->session, true, l->now);
			c->cork_deadline = l->now + 200000u;
		}
		if (c->drain_deadline <= l->now) {
			struct ctl_client *d = c->drainer;

			c->drain_deadline = KCP_NEVER;
			c->drainer = NULL;
			if (d != NULL)
				control_reply_error(l, d, EWOULDBLOCK);
		}
		if (tunnel_deadline(c) <= l->now)
			tunnel_timer(l, c);
		relay_time(l, c);
	}
}

static uint32_t
relay_state(const struct conn *c)
{
	switch (session_state(c->session)) {
	case SESSION_CONNECTING:
	case SESSION_ACCEPTING:
		return CTL_ST_CONNECTING;
	case SESSION_ESTABLISHED:
		return CTL_ST_ESTABLISHED;
	default:
		return c->error != 0 ? CTL_ST_RESET : CTL_ST_CLOSED;
	}
}

void
relay_query(struct loop *l, const struct conn *c, struct ctl_reply *r)
{
	struct session_info si;
	int pair = 0;

	if (c->session == NULL) {
		tunnel_query(c, r);
		return;
	}
	session_get_info(c->session, &si);
	if (c->src.fd >= 0)
		(void)ioctl(c->src.fd, SIOCINQ, &pair);
	pair -= (int)(c->stash + c->filler);
	if (pair < 0)
		pair = 0;
	r->state = relay_state(c);
	r->pending_error = c->error;
	r->unacked = si.kcp.unacked_bytes + si.kcp.unsent_bytes + (uint64_t)pair;
	r->unsent = si.kcp.unsent_bytes + (uint64_t)pair;
}
