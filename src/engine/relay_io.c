#include "relay_io.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../core/session.h"
#include "buffers.h"
#include "control.h"
#include "listener_defer.h"
#include "log.h"

#define RELAY_IOV 128            /* segments moved by one system call */
#define RELAY_BUDGET (256u * 1024u) /* bytes one connection moves before the others get their turn */

/* --- program -> session --- */

void
relay_discard(int fd, size_t n)
{
	uint8_t junk[65536];

	while (n > 0) {
		ssize_t r = recv(fd, junk, n < sizeof(junk) ? n : sizeof(junk), MSG_DONTWAIT);

		if (r <= 0)
			return;
		n -= (size_t)r;
	}
}

void
relay_drop_stash(struct conn *c)
{
	int queued = 0;

	/* More behind it: relay_take() decides when it comes to that. */
	if (ioctl(c->src.fd, SIOCINQ, &queued) != 0 || queued < 0 || (size_t)queued != c->stash)
		return;
	relay_discard(c->src.fd, c->stash);
	c->stash = 0;
}

/* All new bytes are few: they join the stash. Bytes, 0 when they cannot. */
static size_t
relay_take_few(struct conn *c, struct iovec *iov, int n)
{
	uint8_t junk[RELAY_STASH_MAX];
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)n + 1 };
	size_t fresh;
	ssize_t r;

	iov[0] = (struct iovec){ junk, c->stash };
	r = recvmsg(c->src.fd, &m, MSG_PEEK | MSG_DONTWAIT);
	/* Peeking never gets past a packet that came with descriptors. */
	if (r < 0 || (size_t)r <= c->stash || (m.msg_flags & MSG_CTRUNC))
		return 0;
	fresh = (size_t)r - c->stash;
	c->stash += fresh;
	c->run = 0;
	return fresh;
}

/* Reads `take` new bytes of `avail` into the reserved places. See relay.h for the stash. Returns bytes that are now part of the stream,
 * -1 when there was nothing to read after all. */
static ssize_t
relay_take(struct conn *c, struct iovec *iov, int n, size_t take, size_t avail)
{
	bool all = take == avail, keep = all && buffers_stash_fits(c, c->run + take);
	size_t pre = c->stash, want = pre + take - (keep ? 1 : 0), got = 0;
	struct iovec *last = &iov[n];
	struct msghdr m = { .msg_iov = pre > 0 ? iov : iov + 1, .msg_iovlen = (size_t)n + (pre > 0 ? 1 : 0) };
	uint8_t junk[RELAY_STASH_MAX], *tail = (uint8_t *)last->iov_base + last->iov_len - 1;

	if (all && c->sndbuf == 0 && pre > 0 && pre + take <= RELAY_STASH_MAX && c->stash_run <= RELAY_STASH_RUN &&
	    (got = relay_take_few(c, iov, n)) > 0)
		return (ssize_t)got;
	iov[0] = (struct iovec){ junk, pre };
	if (keep && --last->iov_len == 0)
		m.msg_iovlen--;
	if (want > 0) {
		/* recvmsg without control buffer: descriptors sent by the program vanish, as over TCP. */
		ssize_t r = recvmsg(c->src.fd, &m, MSG_DONTWAIT);

		if (r <= 0)
			return -1;
		got = (size_t)r - pre;
		if ((size_t)r < want || !keep) {
			c->stash = 0;
			c->run = all && (size_t)r == want ? 0 : c->run + got;
			return (ssize_t)got;
		}
	}
	c->stash = 0;
	c->stash_run = c->run + got + 1;
	c->run = 0;
	if (recv(c->src.fd, tail, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return (ssize_t)got;
	c->stash = 1;
	return (ssize_t)got + 1;
}

/* The program ended its writing, or closed. */
static void
relay_eof(struct loop *l, struct conn *c)
{
	if (!c->hup) {
		session_shutdown_write(c->session, l->now);
		return;
	}
	session_close(c->session, c->discard || session_recv_ready(c->session) > 0, l->now);
}

/* True: budget used up, more is waiting. */
static bool
relay_read(struct loop *l, struct conn *c)
{
	size_t moved = 0;

	while (c->readable && moved < RELAY_BUDGET) {
		struct iovec iov[RELAY_IOV + 1];
		size_t avail, take = 0;
		ssize_t got;
		int queued = 0, n;

		/* SESSION_EV_WRITABLE marks it again. */
		if (!c->rdhup && session_send_room(c->session) == 0)
			return false;
		if (ioctl(c->src.fd, SIOCINQ, &queued) != 0 || queued < (int)c->stash)
			queued = (int)c->stash;
		avail = (size_t)queued - c->stash;
		if (avail == 0) {
			c->readable = false;
			if (c->rdhup && c->reset == 0)
				relay_eof(l, c);
			return false;
		}
		n = session_send_reserve(c->session, iov + 1, RELAY_IOV, avail);
		if (n <= 0)
			return false;
		for (int i = 1; i <= n; i++)
			take += iov[i].iov_len;
		if ((got = relay_take(c, iov, n, take, avail)) < 0) {
			c->readable = false;
			return false;
		}
		if (got > 0)
			session_send_commit(c->session, (size_t)got, l->now);
		moved += (size_t)got;
		/* What came since has an edge of its own. */
		if ((size_t)got == avail && !c->rdhup)
			c->readable = false;
	}
	return c->readable;
}

/* --- session -> program --- */

void
relay_pair_full(struct loop *l, struct conn *c)
{
	c->writable = false;
	(void)loop_modify(l, &c->src, c->src.events | EPOLLOUT);
}

static bool
relay_write(struct loop *l, struct conn *c)
{
	size_t moved = 0;
	bool dropping = c->discard || c->hup;

	if (!dropping && buffers_below_mark(c))
		return false;
	while ((c->writable || dropping) && moved < RELAY_BUDGET) {
		struct iovec iov[RELAY_IOV];
		struct msghdr m = { .msg_iov = iov };
		int n = session_recv_peek(c->session, iov, RELAY_IOV);
		ssize_t w = 0;

		if (n <= 0)
			break;
		m.msg_iovlen = (size_t)n;
		if (dropping)
			for (int i = 0; i < n; i++)
				w += (ssize_t)iov[i].iov_len;
		else
			w = sendmsg(c->src.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w < 0 && errno == EAGAIN)
			relay_pair_full(l, c);
		else if (w < 0)
			dropping = c->discard = true; /* the program reads no more (SHUT_RD); the peer need not know */
		if (w <= 0)
			continue;
		session_recv_consume(c->session, (size_t)w, l->now);
		moved += (size_t)w;
	}
	if (session_recv_eof(c->session) && !c->eof_sent) {
		c->eof_sent = true;
		(void)shutdown(c->src.fd, SHUT_WR);
	}
	return (c->writable || dropping) && session_recv_ready(c->session) > 0;
}

void
relay_close_pair(struct loop *l, struct conn *c)
{
	int queued = 0;

	/* Without unread bytes closing is an orderly end. So is a reset to who has seen the end of the stream: reading tells that again. */
	if (c->error == 0 || c->eof_sent)
		relay_discard(c->src.fd, SIZE_MAX);
	/* With them the kernel first tells the program and then frees them, which shows POLLOUT late after a pending connect(): as little
	 * as shows none yet is left to free. Bytes of the program stay, or a blocked writer would go on for a moment. */
	else if (c->filler > 0 && ioctl(c->src.fd, SIOCINQ, &queued) == 0 && queued > RELAY_PAIR_SNDBUF / 2)
		relay_discard(c->src.fd, (size_t)queued - RELAY_PAIR_SNDBUF / 2);
	loop_bury(l, c->id, c->ino, c->error);
	loop_close(l, &c->src);
}

static void
relay_check_drained(struct loop *l, struct conn *c)
{
	struct ctl_reply r;
	struct ctl_client *d = c->drainer;

	memset(&r, 0, sizeof(r));
	relay_query(l, c, &r);
	if (r.unacked > 0)
		return;
	c->drainer = NULL;
	c->drain_deadline = KCP_NEVER;
	control_reply_error(l, d, 0);
}

/* True: it has more to do in the next round. */
static bool
relay_pump(struct loop *l, struct conn *c)
{
	bool more = false;

	if (c->src.fd < 0)
		return false;
	if (c->session == NULL)
		return tunnel_pump(l, c);
	if (!c->opened || session_state(c->session) == SESSION_CONNECTING)
		return false;
	/* Dropping what waits opens the window: not when the peer is about to hear of a reset instead. */
	if (c->reset == 0 && (!c->hup || session_recv_ready(c->session) == 0 || c->discard))
		more |= relay_write(l, c);
	if (session_state(c->session) == SESSION_ESTABLISHED)
		more |= relay_read(l, c);
	/* TCP's RST follows what the windows let out at once; the datagrams of a turn leave at its end. */
	if (c->reset > 0 && session_state(c->session) == SESSION_ESTABLISHED) {
		if (--c->reset > 0)
			return true;
		relay_abort(l, c, ECONNRESET);
	}
	if (c->drainer != NULL)
		relay_check_drained(l, c);
	return more;
}

bool
relay_pump_dirty(struct loop *l)
{
	struct conn_queue turn = TAILQ_HEAD_INITIALIZER(turn);
	struct conn *c;
	bool more = false;

	TAILQ_CONCAT(&turn, &l->dirty, queue);
	while ((c = TAILQ_FIRST(&turn)) != NULL) {
		TAILQ_REMOVE(&turn, c, queue);
		c->dirty = false;
		if (relay_pump(l, c)) {
			relay_mark(l, c);
			more = true;
		}
		if (c->session != NULL)
			relay_finish(l, c);
	}
	return more;
}

void
relay_ready(struct loop *l, struct source *src, uint32_t events)
{
	struct conn *c = (struct conn *)src;
	int seconds;

	if (events & EPOLLIN)
		c->readable = true;
	/* Asked for only while the pair is full: each time the program reads would wake this thread for nothing. */
	if (events & EPOLLOUT) {
		c->writable = true;
		(void)loop_modify(l, src, src->events & ~(uint32_t)EPOLLOUT);
	}
	if (events & (EPOLLRDHUP | EPOLLHUP))
		c->rdhup = c->readable = true;
	if ((events & EPOLLHUP) && !c->hup) {
		/* EPOLLERR: closed with bytes unread, which TCP answers with a RST. */
		c->discard |= (events & EPOLLERR) != 0 || listener_forsaken(l, c);
		/* Our own shutdown after the peer's FIN and the program's shutdown() look like a close, too:
		 * then nothing is left to move and the session ends anyway. */
		c->hup = true;
		if (!c->opened) {
			relay_abort(l, c, ECONNRESET);
			return;
		}
		if (options_linger(&c->options, &seconds) && seconds == 0)
			c->reset = 2;
	}
	relay_mark(l, c);
}
