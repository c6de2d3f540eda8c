#include "tunnel.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../core/endpoint.h"
#include "../core/mem.h"
#include "control.h"
#include "filler.h"
#include "relay.h"
#include "relay_io.h"
#include "udp.h"

#define TUNNEL_BUDGET (256u * 1024u)   /* bytes one connection moves before the others get their turn */
#define TUNNEL_LOOK_US UINT64_C(20000) /* TCP does not tell when the last byte is acknowledged */

/* --- who speaks KCP --- */

static struct tunnel_verdict *
tunnel_verdict(const struct loop *l, const struct netaddr *peer)
{
	return (struct tunnel_verdict *)&l->verdicts[netaddr_hash(peer, 0) % LOOP_VERDICTS];
}

bool
tunnel_known(const struct loop *l, const struct netaddr *peer)
{
	const struct tunnel_verdict *v = tunnel_verdict(l, peer);

	return v->until > l->now && netaddr_equal(&v->peer, peer);
}

/* --- the race --- */

static void
tunnel_fail(struct tunnel *t, int error)
{
	t->state = TUNNEL_FAILED;
	t->error = error;
}

/* TCP won: the session is told and forgotten. */
static void
tunnel_drop_session(struct loop *l, struct conn *c)
{
	if (c->session == NULL)
		return;
	session_set_owner(c->session, NULL);
	if (session_state(c->session) == SESSION_CLOSED)
		endpoint_release(l->ep, c->session);
	else
		session_abort(c->session, l->now);
	c->session = NULL;
	udp_close_later(l, c->udp, false);
	c->udp = NULL;
}

static void
tunnel_up(struct loop *l, struct conn *c)
{
	struct tunnel *t = c->tunnel;
	struct netaddr peer = c->ident.peer;

	netaddr_unmap(&peer);
	*tunnel_verdict(l, &peer) = (struct tunnel_verdict){ .peer = peer, .until = l->now + TUNNEL_VERDICT_US };
	t->state = TUNNEL_UP;
	tunnel_drop_session(l, c);
	if (c->waiter != NULL) {
		struct ctl_reply r = { .state = CTL_ST_KERNEL_UP };
		struct ctl_client *w = c->waiter;

		/* The program's own copy of the socket goes on. */
		loop_close(l, &t->src);
		c->waiter = NULL;
		control_reply(l, w, &r, -1);
		relay_over(l, c);
		return;
	}
	c->opened = true;
	if (c->filler > 0)
		filler_drop(c);
	c->readable = true;
	relay_mark(l, c);
}

/* The name that the program's pair carries has the UDP socket's address: the TCP one should have the same. */
static void
tunnel_bind(struct conn *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct netaddr local;

	if (c->waiter != NULL || getsockname(c->tunnel->src.fd, (struct sockaddr *)&ss, &len) != 0 ||
	    !ident_from_sockaddr(&local, (struct sockaddr *)&ss, len) || local.port != 0)
		return;
	len = ident_to_sockaddr(&c->ident.local, c->ident.domain, &ss);
	(void)bind(c->tunnel->src.fd, (struct sockaddr *)&ss, len);
}

/* The file's flags are shared with a program that waits in a blocking connect(). */
static int
tunnel_connect(const struct conn *c)
{
	struct sockaddr_storage ss;
	socklen_t len = ident_to_sockaddr(&c->ident.peer, c->ident.domain, &ss);
	int fd = c->tunnel->src.fd, flags = fcntl(fd, F_GETFL), error;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return errno;
	error = connect(fd, (struct sockaddr *)&ss, len) == 0 ? 0 : errno;
	(void)fcntl(fd, F_SETFL, flags);
	return error;
}

static void
tunnel_start(struct loop *l, struct conn *c)
{
	struct tunnel *t = c->tunnel;
	int error;

	t->state = TUNNEL_CONNECTING;
	tunnel_bind(c);
	error = tunnel_connect(c);
	if (error == 0 || error == EINPROGRESS)
		error = loop_add(l, &t->src, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	if (error != 0)
		tunnel_fail(t, error);
}

bool
tunnel_takes_over(struct loop *l, struct conn *c)
{
	struct tunnel *t = c->tunnel;

	if (t->state == TUNNEL_ARMED)
		tunnel_start(l, c);
	if (t->state == TUNNEL_FAILED) {
		c->error = t->error;
		return false;
	}
	tunnel_drop_session(l, c);
	return true;
}

static void
tunnel_connected(struct loop *l, struct conn *c)
{
	struct tunnel *t = c->tunnel;
	/* The repeated call tells the outcome and leaves the socket as a blocking one leaves it. */
	int error = tunnel_connect(c);

	if (error == EALREADY)
		return;
	if (error == 0) {
		tunnel_up(l, c);
		return;
	}
	tunnel_fail(t, error);
	if (c->session != NULL)
		return;
	c->error = error;
	relay_over(l, c);
}

static void
tunnel_ready(struct loop *l, struct source *src, uint32_t events)
{
	struct tunnel *t = (struct tunnel *)src;

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		t->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		t->writable = true;
	if (t->state == TUNNEL_CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		tunnel_connected(l, t->conn);
	else if (t->state == TUNNEL_UP)
		relay_mark(l, t->conn);
}

int
tunnel_arm(struct loop *l, struct conn *c, int tcp_fd)
{
	struct tunnel *t = mem_alloc(l->mem, sizeof(*t));

	if (t == NULL)
		return ENOBUFS;
	t->src = (struct source){ .fd = tcp_fd, .ready = tunnel_ready, .size = sizeof(*t) };
	t->conn = c;
	t->start_at = l->now + TUNNEL_HEAD_START_US;
	c->tunnel = t;
	return 0;
}

void
tunnel_drop(struct loop *l, struct conn *c)
{
	static const struct linger reset = { .l_onoff = 1 };
	static const struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	struct tunnel *t = c->tunnel;

	if (t == NULL)
		return;
	if (t->src.fd >= 0 && t->state == TUNNEL_CONNECTING)
		(void)connect(t->src.fd, &unspec, sizeof(unspec)); /* the program may still have its copy */
	if (t->src.fd >= 0 && t->state == TUNNEL_UP)
		(void)setsockopt(t->src.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	c->tunnel = NULL;
	loop_retire(l, &t->src);
}

uint64_t
tunnel_deadline(const struct conn *c)
{
	if (c->tunnel == NULL)
		return KCP_NEVER;
	return c->tunnel->state == TUNNEL_ARMED || (c->session == NULL && c->drainer != NULL) ? c->tunnel->start_at : KCP_NEVER;
}

void
tunnel_timer(struct loop *l, struct conn *c)
{
	struct tunnel *t = c->tunnel;
	struct ctl_reply r = { 0 };

	if (t->state == TUNNEL_ARMED) {
		tunnel_start(l, c);
		return;
	}
	tunnel_query(c, &r);
	if (r.unacked > 0) {
		t->start_at = l->now + TUNNEL_LOOK_US;
	} else {
		struct ctl_client *d = c->drainer;

		c->drainer = NULL;
		c->drain_deadline = KCP_NEVER;
		control_reply_error(l, d, 0);
	}
}

/* --- bytes --- */

/* The kernel's connection ended with an error; what it had received was handed over before. */
static bool
tunnel_broken(struct loop *l, struct conn *c, int error)
{
	if (c->error == 0)
		c->error = error;
	relay_over(l, c);
	return false;
}

/* The program ended its writing, or closed. */
static bool
tunnel_eof(struct loop *l, struct conn *c)
{
	static const struct linger none;
	struct tunnel *t = c->tunnel;

	if (!c->hup) {
		(void)shutdown(t->src.fd, SHUT_WR);
		return false;
	}
	/* As close(2) with unread bytes: a reset. A lingering close would hold up the engine. */
	if (!c->discard && c->reset == 0) {
		(void)setsockopt(t->src.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		loop_close(l, &t->src);
	}
	relay_over(l, c);
	return false;
}

/* `sent` new bytes were passed on, `all` that there are: few stay in the stash, of more the newest. */
static void
tunnel_stash(struct conn *c, size_t sent, bool all)
{
	if (!all || c->stash == 0 || c->stash + sent > RELAY_STASH_MAX || c->stash_run > RELAY_STASH_RUN) {
		relay_discard(c->src.fd, c->stash + sent - 1);
		c->stash = 1;
		c->stash_run = c->run += sent;
	} else {
		c->stash += sent;
	}
	if (all)
		c->run = 0;
}

static bool
tunnel_out(struct loop *l, struct conn *c)
{
	struct tunnel *t = c->tunnel;
	uint8_t buf[32768];

	for (size_t moved = 0; c->readable; ) {
		ssize_t old = (ssize_t)c->stash, w;
		ssize_t n = recv(c->src.fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);

		if (n <= old) {
			c->readable = false;
			return c->rdhup ? tunnel_eof(l, c) : false;
		}
		if (moved >= TUNNEL_BUDGET)
			return true;
		if (!t->writable)
			return false;
		if ((w = send(t->src.fd, buf + old, (size_t)(n - old), MSG_NOSIGNAL | MSG_DONTWAIT)) < 0) {
			t->writable = false;
			return errno == EAGAIN ? false : tunnel_broken(l, c, errno);
		}
		tunnel_stash(c, (size_t)w, w == n - old && n < (ssize_t)sizeof(buf));
		moved += (size_t)w;
	}
	return false;
}

static bool
tunnel_in(struct loop *l, struct conn *c)
{
	struct tunnel *t = c->tunnel;
	uint8_t buf[32768];

	for (size_t moved = 0; t->readable && (c->writable || c->discard) && !c->eof_sent; ) {
		ssize_t n, w;

		if (moved >= TUNNEL_BUDGET)
			return true;
		n = w = recv(t->src.fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);
		if (n < 0) {
			t->readable = false;
			return errno == EAGAIN ? false : tunnel_broken(l, c, errno);
		}
		if (n == 0) {
			c->eof_sent = true;
			(void)shutdown(c->src.fd, SHUT_WR);
			return false;
		}
		if (!c->discard && (w = send(c->src.fd, buf, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0) {
			if (errno == EAGAIN)
				relay_pair_full(l, c);
			else
				c->discard = true; /* the program reads no more (SHUT_RD); the peer need not know */
			continue;
		}
		(void)recv(t->src.fd, NULL, (size_t)w, MSG_TRUNC | MSG_DONTWAIT);
		moved += (size_t)w;
	}
	return false;
}

bool
tunnel_pump(struct loop *l, struct conn *c)
{
	bool more = false;

	if (c->tunnel == NULL || c->tunnel->state != TUNNEL_UP)
		return false;
	if (!c->hup)
		more = tunnel_in(l, c);
	/* The connection may be over by now. */
	if (c->tunnel != NULL)
		more |= tunnel_out(l, c);
	return more;
}

/* --- questions of the program --- */

void
tunnel_query(const struct conn *c, struct ctl_reply *r)
{
	const struct tunnel *t = c->tunnel;
	int pair = 0, queued = 0, unsent = 0;

	if (c->src.fd >= 0)
		(void)ioctl(c->src.fd, SIOCINQ, &pair);
	pair -= (int)(c->stash + c->filler);
	if (t->state == TUNNEL_UP) {
		(void)ioctl(t->src.fd, SIOCOUTQ, &queued);
		(void)ioctl(t->src.fd, SIOCOUTQNSD, &unsent);
	}
	r->state = t->state == TUNNEL_UP ? CTL_ST_ESTABLISHED : CTL_ST_CONNECTING;
	r->pending_error = c->error;
	r->unacked = (uint64_t)(queued + (pair > 0 ? pair : 0));
	r->unsent = (uint64_t)(unsent + (pair > 0 ? pair : 0));
}

int
tunnel_getsockopt(const struct conn *c, const struct ctl_request *q, struct ctl_reply *r)
{
	socklen_t len = q->optlen < sizeof(r->opt) ? q->optlen : sizeof(r->opt);

	if (getsockopt(c->tunnel->src.fd, q->level, q->optname, r->opt, &len) != 0)
		return errno;
	r->optlen = len;
	return 0;
}

int
tunnel_setsockopt(const struct conn *c, const struct ctl_request *q)
{
	return setsockopt(c->tunnel->src.fd, q->level, q->optname, q->opt, q->optlen) == 0 ? 0 : errno;
}

void
tunnel_status(const struct conn *c, struct ctl_status *s)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	strlcpy(s->state, c->tunnel->state == TUNNEL_UP ? "estab" : "syn-sent", sizeof(s->state));
	strlcpy(s->crypto, "kernel-tcp", sizeof(s->crypto));
	s->local = c->ident.local;
	s->peer = s->current_peer = c->ident.peer;
	if (getsockopt(c->tunnel->src.fd, IPPROTO_TCP, TCP_INFO, &ti, &len) != 0)
		return;
	s->rtt_us = ti.tcpi_rtt;
	s->rttvar_us = ti.tcpi_rttvar;
	s->retransmits = ti.tcpi_total_retrans;
}
