/* cc: see cc.h. */
#include "cc.h"

#include <string.h>

#define CC_INITIAL_WINDOW 10u           /* datagrams, RFC 6928 */
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
set_pacing(struct cc *c, uint64_t srtt, unsigned gain_percent)
{
	uint64_t w = min64(c->cwnd, c->wnd), rate;

	if (srtt == 0)
		srtt = CC_RTT_UNKNOWN_US;
	rate = w * 10000u / srtt * gain_percent;
	rate = max64(rate, CC_MIN_RATE);
	if (c->rate_cap != 0)
		rate = min64(rate, c->rate_cap);
	c->pacing_rate = rate;
}

void
cc_init(struct cc *c, enum kcp_cc kind, uint32_t mss, uint64_t rate_cap)
{
	memset(c, 0, sizeof(*c));
	c->mss = mss;
	c->wnd = UINT64_MAX / 1000000u;
	c->cwnd = (uint64_t)CC_INITIAL_WINDOW * mss;
	c->ssthresh = UINT64_MAX;
	cc_set(c, kind, rate_cap);
}

void
cc_set(struct cc *c, enum kcp_cc kind, uint64_t rate_cap)
{
	c->kind = kind;
	c->rate_cap = rate_cap;
	set_pacing(c, 0, 200);
}

/* KCP's congestion window (ikcp_input, ikcp_flush): slow start, then one segment a round trip; halved at a loss. */
static void
classic_on_ack(struct cc *c, const struct cc_ack *a)
{
	if (a->lost > 0 && a->prior_delivered >= c->recovery_end) {
		c->prior_cwnd = c->cwnd;
		c->prior_ssthresh = c->ssthresh;
		c->ssthresh = max64((a->inflight + a->lost) / 2, (uint64_t)CC_MIN_WINDOW * c->mss);
		c->cwnd = c->ssthresh;
		c->recovery_end = a->delivered;
	}
	if (c->cwnd < c->ssthresh)
		c->cwnd += a->acked;
	else
		c->cwnd += a->acked * c->mss / c->cwnd;
	c->cwnd = min64(c->cwnd, c->wnd);
}

void
cc_on_ack(struct cc *c, const struct cc_ack *a)
{
	if (c->kind == KCP_CC_NONE)
		c->cwnd = c->wnd;
	else
		classic_on_ack(c, a);
	set_pacing(c, a->srtt, c->cwnd < c->ssthresh ? 200 : 120);
}

void
cc_on_timeout(struct cc *c, uint64_t inflight)
{
	if (c->kind == KCP_CC_NONE)
		return;
	c->prior_cwnd = c->cwnd;
	c->prior_ssthresh = c->ssthresh;
	c->ssthresh = max64(inflight / 2, (uint64_t)CC_MIN_WINDOW * c->mss);
	c->cwnd = (uint64_t)CC_MIN_WINDOW * c->mss;
}

void
cc_on_spurious(struct cc *c)
{
	if (c->prior_cwnd == 0)
		return;
	c->cwnd = max64(c->cwnd, c->prior_cwnd);
	c->ssthresh = max64(c->ssthresh, c->prior_ssthresh);
	c->prior_cwnd = 0;
}
