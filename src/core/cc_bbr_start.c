/* cc_bbr_start: see cc_bbr_start.h. */
#include "cc_bbr_start.h"

#define LEAP 2u                           /* growth beyond the twofold: fourfold in all */
#define LEAP_RISE 16u                     /* of the round trip: what a train without a queue may vary by */
#define LUMP_SHARE 8u                     /* of the window */
#define HOLD_WAITS 3u                     /* round trips until samples have to bear a train's rate out */
#define FULL_ROUNDS 3u
#define RISE_SAMPLES 8u                   /* N_RTT_SAMPLE, MIN_RTT_DIVISOR, MIN_RTT_THRESH and MAX_RTT_THRESH of RFC 9406 */
#define RISE_DIVISOR 8u
#define RISE_MIN_US 4000u
#define RISE_MAX_US 16000u

/* Round trips from here on are a queue's. */
static uint64_t
queue_from(const struct cc_bbr *b)
{
	uint64_t base = base_rtt(b), slack = min64(max64(b->min_rtt / RISE_DIVISOR, RISE_MIN_US), RISE_MAX_US);

	if (b->least_mean == 0 && b->mean_n >= RISE_SAMPLES && uneven(b))
		base = b->mean_sum / b->mean_n;
	return max64(base, b->rise_floor) + (jittery(b) ? max64(slack, 2 * b->step) : slack);
}

/* HyStart++ (RFC 9406): the least of some samples is well above the path's own round trip. Those of jitter come as they were sent. */
static void
look_for_queue(struct cc_bbr *b, const struct cc_ack *a)
{
	if (a->rtt == 0)
		return;
	if (b->rise_n == 0 || a->rtt < b->rise_min)
		b->rise_min = (uint32_t)a->rtt;
	if (++b->rise_n < RISE_SAMPLES)
		return;
	b->rising = b->rise_min > queue_from(b) && (b->held || a->queued);
	b->rise_n = 0;
}

/* A whole round trip had about the rate of the train. */
static bool
borne_out(const struct cc_bbr *b)
{
	return spread(b) && b->bw.value[0] > b->start.rate / 4 * 3;
}

/* A train was much faster and met no queue: the pipe is not full, whatever else makes the round trips longer. */
static bool
outrun(const struct cc_bbr *b)
{
	return !b->start.spread && b->min_rtt >= LEAP_RTT_MIN_US && b->bw.value[0] < b->start.rate / 3 * 2;
}

/* Doubling on until the losses show would throw more than a whole pipe away. The flow waits one round trip, in which the rate that
 * the path delivers shows; is the queue gone then, it had another reason. */
static void
check_hold(struct cc_bbr *b, const struct cc_ack *a)
{
	look_for_queue(b, a);
	if (!b->held) {
		if (!b->rising || a->app_limited)
			return;
		b->held = b->start.over = true;
		b->hold_end = a->delivered;
		b->full_at = (uint32_t)a->now;
		b->hold_n = b->hold_queued = 0;
		b->hold_min = b->rise_min;
		return;
	}
	if (a->rtt != 0 && a->rtt < b->hold_min)
		b->hold_min = a->rtt;
	if (a->rate != 0 && b->hold_n < UINT16_MAX) {
		b->hold_n++;
		b->hold_queued += a->queued;
	}
	if (a->acked == 0 || a->prior_delivered < b->hold_end || (uint32_t)a->now - b->full_at < a->srtt)
		return;
	if (spread(b) && !borne_out(b) && b->start.waits < HOLD_WAITS) {
		/* The peer's window may have kept it from being tried. */
		b->start.waits++;
		b->hold_end = a->delivered;
		b->full_at = (uint32_t)a->now;
		return;
	}
	b->held = false;
	/* Jitter was so high now and then, not all the time; and its datagrams come as they were sent. */
	b->full = uneven(b) ? b->hold_min > queue_from(b) && b->hold_queued * 4u >= b->hold_n * 3u : b->rising;
	if (b->full && outrun(b)) {
		b->full = false;
		b->rise_floor = b->rise_min;
	}
	if (b->full && borne_out(b))
		winmax_update(&b->bw, max64(b->start.rate, b->bw.value[0]), (uint16_t)b->round, BW_ROUNDS);
	b->doubt_bw = b->full ? b->bw.value[0] : 0;
	if (b->full)
		b->full_bw = b->doubt_bw;
}

void
bbr_start_check(struct cc_bbr *b, const struct cc_ack *a, bool round)
{
	if (b->full)
		return;
	check_hold(b, a);
	if (b->full || b->held || !round || a->app_limited)
		return;
	if (b->congested) {
		b->full = true;
		/* A mark cannot turn out to have been none. */
		b->full_by_loss = b->prior_hi != 0;
		return;
	}
	/* One that overtook the others ends its round early, and the rate had no time to grow. */
	if ((uint32_t)a->now - b->full_at < max64(a->srtt, base_rtt(b)))
		return;
	b->full_at = (uint32_t)a->now;
	if (b->bw.value[0] >= b->full_bw + b->full_bw / 4) {
		b->full_bw = b->bw.value[0];
		b->full_rounds = 0;
		return;
	}
	b->full = ++b->full_rounds >= FULL_ROUNDS;
}

/* A full pipe gives no more to a flow that sends a quarter more; one that gives a little more is asked again. */
void
bbr_start_settle(struct cc_bbr *b)
{
	uint64_t bw = b->bw.value[0];

	if (bw > b->doubt_bw + b->doubt_bw / 8 && !b->congested) {
		b->rise_floor = b->rise_min;
		b->state = BBR_STARTUP;
		b->full = false;
		b->full_bw = b->full_rounds = 0;
	} else if (bw > b->full_bw + b->full_bw / 32 && !b->congested) {
		b->full_bw = bw;
		b->phase = 0;
		return;
	}
	b->doubt_bw = 0;
}

/* A long path may be filled faster than by doubling, by what trains show of it. */
bool
bbr_start_may_leap(const struct cc *c, const struct cc_ack *a)
{
	const struct cc_bbr *b = &c->bbr;

	if (b->state != BBR_STARTUP || b->full || b->held || b->start.over || b->min_rtt < LEAP_RTT_MIN_US || uneven(b))
		return false;
	if (b->rising || a->rtt > b->min_rtt + b->min_rtt / LEAP_RISE || b->round_lost > b->round_acked / 8)
		return false;
	/* Of a window that is not made use of, nothing is shown; nor by acknowledgements in lumps. */
	return !a->app_limited && a->inflight + a->acked >= c->cwnd / 2 && a->acked <= c->cwnd / LUMP_SHARE;
}

/* The window may grow up to what a train has shown that the path carries without a queue. */
void
bbr_start_leap(struct cc *c, const struct cc_ack *a)
{
	uint64_t limit = (uint64_t)c->bbr.start.rate * c->bbr.min_rtt / 1000000u;

	if (c->cwnd < limit && bbr_start_may_leap(c, a))
		c->cwnd = min64(c->cwnd + LEAP * (uint64_t)a->acked, limit);
}
