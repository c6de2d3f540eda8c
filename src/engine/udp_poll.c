#include "udp_poll.h"

#include <sys/epoll.h>

#include "../core/kcp.h"
#include "udp_int.h"

#define WINDOW_US UINT64_C(8000)
#define WINDOW_WAKES 8u
#define PLENTY 16u              /* datagrams per reading that come together without any waiting */

uint32_t
udp_poll_interval(uint64_t srtt, uint32_t datagrams, uint32_t wakes, uint64_t elapsed, bool polled)
{
	uint64_t interval = srtt / UDP_POLL_SHARE, least = polled ? UDP_POLL_GO_ON : UDP_POLL_BEGIN;

	if (interval > UDP_POLL_MAX_US)
		interval = UDP_POLL_MAX_US;
	/* What came together because it was read by time says nothing about what would come together by itself. */
	if (interval < UDP_POLL_MIN_US || (!polled && datagrams >= wakes * PLENTY))
		return 0;
	return (uint64_t)datagrams * 2 * interval >= least * elapsed ? (uint32_t)interval : 0;
}

static void
start(struct loop *l, struct udp_sock *u)
{
	TAILQ_INSERT_TAIL(&l->io->polled, u, polled);
	(void)loop_modify(l, &u->src, u->src.events & ~(uint32_t)EPOLLIN);
}

void
udp_poll_stop(struct loop *l, struct udp_sock *u)
{
	if (u->poll.interval == 0)
		return;
	u->poll.interval = 0;
	TAILQ_REMOVE(&l->io->polled, u, polled);
	if (u->src.fd >= 0)
		(void)loop_modify(l, &u->src, u->src.events | EPOLLIN);
}

static void
judge(struct loop *l, struct udp_sock *u)
{
	struct udp_poll *p = &u->poll;
	uint32_t interval;

	/* Nobody may have been heard of while a hole in the stream held everything back. */
	if (p->heard != 0)
		p->srtt = p->heard;
	interval = udp_poll_interval(p->srtt, p->datagrams, p->wakes, l->now - p->since, p->interval != 0);

	if (interval == 0)
		udp_poll_stop(l, u);
	else if (p->interval == 0)
		start(l, u);
	p->interval = interval;
	p->since = l->now;
	p->datagrams = p->wakes = 0;
	p->heard = 0;
}

void
udp_poll_count(struct loop *l, struct udp_sock *u, unsigned datagrams)
{
	struct udp_poll *p = &u->poll;

	p->datagrams += datagrams;
	p->wakes++;
	p->due = l->now + p->interval;
	if (datagrams > 0)
		p->came = l->now;
	else if (l->now - p->came >= (uint64_t)UDP_POLL_PATIENCE * p->interval)
		udp_poll_stop(l, u);
	if (l->now - p->since >= WINDOW_US && p->wakes >= WINDOW_WAKES)
		judge(l, u);
}

void
udp_poll_hint(struct loop *l, uint32_t sock, uint64_t srtt)
{
	struct udp_sock *u = udp_find(l, sock);

	if (u != NULL && srtt > 0 && (u->poll.heard == 0 || srtt < u->poll.heard))
		u->poll.heard = srtt;
}

void
udp_poll_due(struct loop *l)
{
	struct udp_sock *u, *next;

	for (u = TAILQ_FIRST(&l->io->polled); u != NULL; u = next) {
		next = TAILQ_NEXT(u, polled);
		if (l->now + u->poll.interval / 2 >= u->poll.due)
			udp_receive(l, u);
	}
}

uint64_t
udp_poll_deadline(const struct loop *l)
{
	const struct udp_sock *u;
	uint64_t first = KCP_NEVER;

	TAILQ_FOREACH(u, &l->io->polled, polled)
		if (u->poll.due < first)
			first = u->poll.due;
	return first;
}
