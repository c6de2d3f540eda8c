/* cc: see cc.h. The rules `kcp` and `none`; cc_bbr.c has `auto`. */
#include "cc.h"

#include <string.h>

#define CC_INITIAL_WINDOW 32u           /* datagrams: IKCP_WND_SND, paced over a round trip */
#define CC_INITIAL_TIMES_MAX 4u         /* 180 kB */
#define CC_INITIAL_PACE 400u            /* per cent of a larger one in a round trip */
#define CC_RTT_UNKNOWN_US 100000u       /* assumed until a sample exists */
#define CC_MIN_WINDOW 2u
#define CC_MIN_RATE 2000u               /* bytes/s: a datagram of 1400 bytes in 0.7 s */

static uint64_t
max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
pace_window(struct cc *c, uint64_t srtt, unsigned gain_percent)
{
	uint64_t w = min64(c->cwnd, c->wnd);

	if (srtt == 0)
		srtt = CC_RTT_UNKNOWN_US;
	c->pacing_rate = w * 10000u / srtt * gain_percent;
}

static void
bound_rate(struct cc *c)
{
	c->pacing_rate = max64(c->pacing_rate, CC_MIN_RATE);
	if (c->rate_cap != 0)
		c->pacing_rate = min64(c->pacing_rate, c->rate_cap);
}

void
cc_init(struct cc *c, enum kcp_cc kind, uint32_t mss, uint64_t rate_cap)
{
	memset(c, 0, sizeof(*c));
	c->mss = mss;
	c->wnd = UINT64_MAX / 1000000u;
	c->cwnd = (uint64_t)CC_INITIAL_WINDOW * mss;
	pace_window(c, 0, 200);
	cc_set(c, kind, rate_cap);
}

void
cc_set(struct cc *c, enum kcp_cc kind, uint64_t rate_cap)
{
	if (kind != c->kind || c->prior_ssthresh == 0) {
		c->prior_cwnd = 0;
		c->prior_ssthresh = UINT64_MAX;
		if (kind == KCP_CC_AUTO)
			cc_bbr_init(c);
		else
			c->classic = (struct cc_classic){ .ssthresh = UINT64_MAX };
	}
	c->kind = kind;
	c->rate_cap = rate_cap;
	bound_rate(c);
}

void
cc_seed_rtt(struct cc *c, uint64_t rtt_us)
{
	uint64_t times = min64(rtt_us / CC_RTT_UNKNOWN_US, CC_INITIAL_TIMES_MAX);

	if (c->kind != KCP_CC_AUTO || times <= 1)
		return;
	c->cwnd = max64(c->cwnd, times * CC_INITIAL_WINDOW * c->mss);
	/* In a part of the round trip, or the train would show nothing of the path (cc_start.h). */
	pace_window(c, rtt_us, CC_INITIAL_PACE);
	bound_rate(c);
}

/* Slow start, then one segment a round trip; halved at a loss, and at a mark, which cannot turn out to have been none. */
static void
classic_on_ack(struct cc *c, const struct cc_ack *a)
{
	if ((a->lost > 0 || a->ce) && a->prior_delivered >= c->classic.recovery_end) {
		c->prior_cwnd = a->ce ? 0 : c->cwnd;
		c->prior_ssthresh = c->classic.ssthresh;
		c->classic.ssthresh = max64((a->inflight + a->lost) / 2, (uint64_t)CC_MIN_WINDOW * c->mss);
		c->cwnd = c->classic.ssthresh;
		c->classic.recovery_end = a->delivered;
	}
	if (c->cwnd < c->classic.ssthresh)
		c->cwnd += a->acked;
	else
		c->cwnd += (uint64_t)a->acked * c->mss / c->cwnd;
	c->cwnd = min64(c->cwnd, c->wnd);
	pace_window(c, a->srtt, c->cwnd < c->classic.ssthresh ? 200 : 120);
}

void
cc_on_ack(struct cc *c, const struct cc_ack *a)
{
	if (c->kind == KCP_CC_AUTO) {
		cc_bbr_on_ack(c, a);
	} else if (c->kind == KCP_CC_KCP) {
		classic_on_ack(c, a);
	} else {
		c->cwnd = c->wnd;
		pace_window(c, a->srtt, 120);
	}
	bound_rate(c);
}

void
cc_on_timeout(struct cc *c, uint64_t inflight)
{
	uint64_t least = (uint64_t)CC_MIN_WINDOW * c->mss;

	if (c->kind == KCP_CC_NONE)
		return;
	if (c->prior_cwnd < c->cwnd)
		c->prior_cwnd = c->cwnd;
	if (c->kind == KCP_CC_KCP) {
		c->prior_ssthresh = c->classic.ssthresh;
		c->classic.ssthresh = max64(inflight / 2, least);
	}
	c->cwnd = least;
}

void
cc_on_spurious(struct cc *c)
{
	if (c->kind == KCP_CC_AUTO)
		cc_bbr_on_spurious(c);
	if (c->prior_cwnd == 0)
		return;
	c->cwnd = max64(c->cwnd, c->prior_cwnd);
	if (c->kind == KCP_CC_KCP)
		c->classic.ssthresh = max64(c->classic.ssthresh, c->prior_ssthresh);
	c->prior_cwnd = 0;
}
