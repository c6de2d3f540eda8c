/* cc_bbr: the rule `auto`. Sends at the greatest rate the path delivered lately and keeps little more in flight than
 * that rate times the least round trip: draft-ietf-ccwg-bbr, with the gain cycle of draft-cardwell-iccrg-bbr-congestion-control-00. */
#include "cc_bbr_start.h"

#include <string.h>

#define EXTRA_ROUNDS 10u
#define GAIN 256u                         /* a factor of one */
#define STARTUP_GAIN 709u                 /* 4 ln 2 = 2.77 */
#define DRAIN_GAIN 89u
#define STARTUP_PACE 200u                 /* per cent of a window that grows to twice itself in a round trip */
#define LEAP_PACE 400u                    /* per cent of the window in a round trip: trains of a quarter of it */
#define SPREAD_GAIN 320u                  /* in start-up, once a train told the path's rate */
#define CWND_GAIN 512u
#define PACING_MARGIN 253u                /* 1% below the estimate, so that a queue does not stay */
#define DRAIN_ROUNDS 4u
#define MIN_RTT_WINDOW_US 10000000u
#define MEAN_SAMPLES 16u                  /* in a mean round trip, unless they take too long to come */
#define MEAN_ROUNDS 2u
#define MEAN_ROUNDS_MAX 8u
#define STEP_GAP_US 500u                  /* samples nearer than this are one */
#define PROBE_RTT_US 200000u
#define PROBE_MEAN_ROUNDS 6u              /* two means, of which the second is without a queue */
#define HOLD_GAIN 384u                    /* a whole pipe even if the estimate lags one doubling behind */
#define MIN_WINDOW 4u
#define LOSS_EXCESS (65536u * 2u / 100u)  /* above what the path loses anyway (BBRLossThresh) */
#define BASE_SAMPLE 64u                   /* datagrams in one sample of the path's own loss */
#define BASE_LOSS_MAX (65536u * 15u / 100u)
#define BETA 218u                         /* 0.85: what remains of the window at a congestive loss */
#define STARTUP_LOSSES 6u                 /* datagrams in a round, BBRStartupFullLossCnt */
#define STEADY_LOSSES 2u
#define CALM_MAX 8u
#define APP_FLOOR_WINDOW 10u              /* an idle writer's flow may always send this much a round trip */

static const uint16_t cycle[] = { 320, 192, GAIN, GAIN, GAIN, GAIN, GAIN, GAIN };

#define PHASES (sizeof(cycle) / sizeof(cycle[0]))

/* Samples of the first rounds span the time in which nothing was sent as well; a train that arrived slowly tells the rate itself. */
static uint64_t
path_rate(const struct cc_bbr *b)
{
	return !b->full && spread(b) ? max64(b->bw.value[0], b->start.rate) : b->bw.value[0];
}

static uint64_t
bdp(const struct cc_bbr *b)
{
	return path_rate(b) * base_rtt(b) / 1000000u;
}

void
cc_bbr_init(struct cc *c)
{
	memset(&c->bbr, 0, sizeof(c->bbr));
	c->bbr.inflight_hi = UINT64_MAX;
	c->bbr.start_rate = c->pacing_rate;
}

void
cc_bbr_on_spurious(struct cc *c)
{
	struct cc_bbr *b = &c->bbr;

	if (b->prior_hi != 0)
		b->inflight_hi = max64(b->inflight_hi, b->prior_hi);
	b->prior_hi = 0;
	b->round_lost = 0;
	if (b->full_by_loss) {
		b->full = b->full_by_loss = false;
		b->full_rounds = 0;
		b->state = BBR_STARTUP;
	}
}

static bool
update_round(struct cc_bbr *b, const struct cc_ack *a)
{
	if (a->acked == 0 || a->prior_delivered < b->round_end)
		return false;
	b->round_end = a->delivered;
	b->round++;
	return true;
}

/* Samples of a writer that had nothing to send count only where they show more. */
static void
update_bw(struct cc_bbr *b, const struct cc_ack *a)
{
	if (a->rate == 0 || (a->app_limited && a->rate < b->bw.value[0]))
		return;
	winmax_update(&b->bw, a->rate, (uint16_t)b->round, BW_ROUNDS);
}

/* Peers and links that acknowledge in lumps: how much may arrive at once beyond the rate (BBRUpdateACKAggregation). */
static void
update_extra(struct cc *c, const struct cc_ack *a)
{
	struct cc_bbr *b = &c->bbr;
	uint64_t expected = b->bw.value[0] * ((uint32_t)a->now - b->epoch_at) / 1000000u;

	if (b->epoch_acked <= expected) {
		b->epoch_at = (uint32_t)a->now;
		b->epoch_acked = expected = 0;
	}
	b->epoch_acked += a->acked;
	winmax_update(&b->extra, min64(b->epoch_acked - min64(expected, b->epoch_acked), c->cwnd), (uint16_t)b->round, EXTRA_ROUNDS);
}

static void
update_min_rtt(struct cc_bbr *b, const struct cc_ack *a)
{
	if (a->rtt == 0)
		return;
	if (b->min_rtt == 0 || a->rtt <= b->min_rtt) {
		b->min_rtt = a->rtt;
		b->min_rtt_at = a->now;
	} else if (a->rtt <= b->min_rtt + b->min_rtt / 32) {
		/* As good as the least: no reason to empty the pipe for another look. */
		b->min_rtt_at = a->now;
	}
}

/* A lump of acknowledgements counts once, or a peer that acknowledges late would look like jitter. */
static void
update_step(struct cc_bbr *b, const struct cc_ack *a)
{
	uint32_t now = (uint32_t)a->now, rtt = (uint32_t)a->rtt, step = rtt > b->last_rtt ? rtt - b->last_rtt : b->last_rtt - rtt;

	if (b->last_rtt != 0 && now - b->last_at < STEP_GAP_US)
		return;
	if (b->last_rtt != 0)
		b->step = (uint32_t)((15u * (uint64_t)b->step + step) / 16u);
	b->last_rtt = rtt;
	b->last_at = now;
}

/* A mean that is not reached any more is believed until the pipe was emptied for another look. */
static void
note_mean(struct cc_bbr *b, uint32_t now)
{
	bool probing = b->state == BBR_PROBE_RTT && b->least_mean_at - b->probe_rtt_start > UINT32_MAX / 2;

	if (b->mean_rtt <= b->least_mean || b->least_mean == 0 || probing)
		b->least_mean = b->mean_rtt;
	if (b->mean_rtt <= b->least_mean + b->least_mean / 8)
		b->least_mean_at = now;
}

/* Not by rounds: a datagram that overtakes ends them early. */
static void
update_mean_rtt(struct cc_bbr *b, const struct cc_ack *a)
{
	uint32_t now = (uint32_t)a->now, lasted;

	if (a->rtt == 0)
		return;
	update_step(b, a);
	b->dev_sum += a->rtt > b->mean_rtt ? a->rtt - b->mean_rtt : b->mean_rtt - a->rtt;
	if (b->mean_n == 0 && b->least_mean == 0)
		b->mean_at = now;
	lasted = now - b->mean_at;
	b->mean_sum += a->rtt;
	b->mean_n++;
	if (lasted < MEAN_ROUNDS * max64(a->srtt, b->mean_sum / b->mean_n) ||
	    (b->mean_n < MEAN_SAMPLES && lasted < MEAN_ROUNDS_MAX * a->srtt))
		return;
	if (b->mean_rtt != 0)
		b->dev = (uint32_t)((3u * (uint64_t)b->dev + b->dev_sum / b->mean_n) / 4u);
	b->mean_rtt = (uint32_t)(b->mean_sum / b->mean_n);
	b->mean_sum = b->dev_sum = b->mean_n = 0;
	b->mean_at = now;
	note_mean(b, now);
}

/* What is lost of the slow phase was lost when neither a queue nor a policer had a reason to drop. */
static void
learn_base_loss(struct cc *c, const struct cc_ack *a)
{
	struct cc_bbr *b = &c->bbr;
	uint64_t total;

	b->base_lost += a->calm_lost;
	b->base_acked += a->calm_acked;
	total = b->base_lost + b->base_acked;
	if (b->state != BBR_PROBE_BW || b->phase < 2 || total < (uint64_t)BASE_SAMPLE * c->mss)
		return;
	b->base_loss = (uint32_t)((3u * b->base_loss + (uint64_t)b->base_lost * 65536u / total) / 4u);
	b->base_lost = b->base_acked = 0;
}

/* Loss says something about the sender's rate only when more is lost than without a queue, and a queue is there. */
static void
judge_loss(struct cc *c, const struct cc_ack *a, bool round)
{
	struct cc_bbr *b = &c->bbr;
	uint64_t total, rate;
	bool queue;

	learn_base_loss(c, a);
	b->round_lost += a->lost;
	b->round_acked += a->acked;
	b->round_ce |= a->ce;
	if (a->rtt != 0 && (b->round_rtt == 0 || a->rtt < b->round_rtt))
		b->round_rtt = a->rtt;
	if (!round)
		return;
	total = b->round_lost + b->round_acked;
	rate = total > 0 ? b->round_lost * 65536u / total : 0;
	if (jittery(b))
		queue = b->mean_rtt > b->least_mean + max64(b->least_mean / 10, 2 * (uint64_t)b->dev);
	else
		queue = b->round_rtt > b->min_rtt + max64(b->min_rtt / 10, 1000);
	b->congested = queue && rate > LOSS_EXCESS + b->base_loss + b->base_loss / 2 &&
	    b->round_lost >= (uint64_t)(b->state == BBR_STARTUP ? STARTUP_LOSSES : STEADY_LOSSES) * c->mss;
	/* A router says by itself what losses and round trips only suggest. */
	b->congested |= b->round_ce;
	b->round_lost = b->round_acked = b->round_rtt = 0;
	if (b->congested) {
		b->prior_hi = b->round_ce ? 0 : b->inflight_hi;
		b->inflight_hi = max64(min64(b->inflight_hi, a->inflight + a->lost) * BETA / GAIN, bdp(b));
		b->calm = 0;
		b->round_ce = false;
	} else if (b->inflight_hi != UINT64_MAX) {
		/* Slowly at first, so that a shallow queue is not overrun in every cycle. */
		b->calm += b->calm < CALM_MAX;
		b->inflight_hi += b->inflight_hi * b->calm / 256;
	}
}

static void
enter_probe_bw(struct cc_bbr *b, const struct cc_ack *a)
{
	b->state = BBR_PROBE_BW;
	/* Not the phase that sends faster, and not the same one for every flow. */
	b->phase = b->doubt_bw != 0 ? 0 : (uint8_t)(2 + (a->now / 7 + a->delivered) % (PHASES - 2));
	b->phase_at = (uint32_t)a->now;
	b->full_by_loss = false;
}

static void
advance_phase(struct cc *c, const struct cc_ack *a)
{
	struct cc_bbr *b = &c->bbr;
	/* What a phase did shows no sooner than its acknowledgements come, which may be late. */
	bool elapsed = (uint32_t)a->now - b->phase_at > max64(base_rtt(b), a->srtt), next = elapsed;

	if (cycle[b->phase] > GAIN)
		next = elapsed && (a->lost > 0 || b->congested || a->inflight >= bdp(b) * cycle[b->phase] / GAIN);
	else if (cycle[b->phase] < GAIN)
		next = a->inflight <= bdp(b) || (uint32_t)a->now - b->phase_at > DRAIN_ROUNDS * base_rtt(b);
	if (!next)
		return;
	b->phase = (uint8_t)((b->phase + 1) % PHASES);
	b->phase_at = (uint32_t)a->now;
	if (b->phase == 1) {
		c->calm_from = (uint32_t)a->now;
		c->calm_to = c->calm_from + UINT32_MAX / 4;
	} else if (b->phase == 2) {
		c->calm_to = (uint32_t)a->now;
	}
	/* The fast phase shows in the round trip after the one that drains it. */
	if (b->phase == 3 && b->doubt_bw != 0)
		bbr_start_settle(b);
}

static void
check_probe_rtt(struct cc *c, const struct cc_ack *a)
{
	struct cc_bbr *b = &c->bbr;

	if (b->state != BBR_PROBE_RTT) {
		bool mean_old = jittery(b) && (uint32_t)a->now - b->least_mean_at > MIN_RTT_WINDOW_US;

		if (b->min_rtt == 0 || (a->now - b->min_rtt_at <= MIN_RTT_WINDOW_US && !mean_old))
			return;
		b->state = BBR_PROBE_RTT;
		b->probe_rtt_start = (uint32_t)a->now;
		b->probe_rtt_end = a->now + max64(PROBE_RTT_US, (jittery(b) ? PROBE_MEAN_ROUNDS : 2) * base_rtt(b));
		if (a->now - b->min_rtt_at > MIN_RTT_WINDOW_US) {
			b->min_rtt = a->rtt != 0 ? a->rtt : b->min_rtt;
			b->min_rtt_at = a->now;
		}
		if (c->prior_cwnd < c->cwnd)
			c->prior_cwnd = c->cwnd;
		return;
	}
	if (a->now < b->probe_rtt_end)
		return;
	b->min_rtt_at = a->now;
	c->cwnd = max64(c->cwnd, c->prior_cwnd);
	c->prior_cwnd = 0;
	if (b->full)
		enter_probe_bw(b, a);
	else
		b->state = BBR_STARTUP;
}

static void
update_state(struct cc *c, const struct cc_ack *a, bool round)
{
	struct cc_bbr *b = &c->bbr;

	bbr_start_check(b, a, round);
	if (b->state == BBR_STARTUP && b->full)
		b->state = BBR_DRAIN;
	if (b->state == BBR_DRAIN && a->inflight <= bdp(b))
		enter_probe_bw(b, a);
	if (b->state == BBR_PROBE_BW)
		advance_phase(c, a);
	check_probe_rtt(c, a);
}

static unsigned
pacing_gain(const struct cc_bbr *b)
{
	switch (b->state) {
	case BBR_STARTUP:
		return b->held ? GAIN : STARTUP_GAIN;
	case BBR_DRAIN:
		return DRAIN_GAIN;
	case BBR_PROBE_BW:
		return cycle[b->phase];
	default:
		return GAIN;
	}
}

/* Before the pipe was full once, a low estimate is the writer's, not the path's. The estimate of a growing flow lags behind, for it
 * spans the time in which the window was sent as well: a window that is made use of doubles in any case. */
static uint64_t
start_rate(struct cc *c, const struct cc_ack *a, uint64_t rate)
{
	struct cc_bbr *b = &c->bbr;

	b->start_rate = rate = max64(rate, b->start_rate);
	if (spread(b))
		return path_rate(b) * SPREAD_GAIN / GAIN;
	if (b->state == BBR_STARTUP && !a->app_limited && a->srtt != 0)
		rate = max64(rate, c->cwnd * 10000u / a->srtt * (bbr_start_may_leap(c, a) ? LEAP_PACE : STARTUP_PACE));
	return rate;
}

static void
set_pacing(struct cc *c, const struct cc_ack *a)
{
	struct cc_bbr *b = &c->bbr;
	uint64_t rate = path_rate(b) * PACING_MARGIN / GAIN * pacing_gain(b) / GAIN, floor;

	/* The estimate is what arrives; what the path loses by itself has to be sent on top. */
	rate = rate * 65536u / (65536u - min64(b->base_loss, BASE_LOSS_MAX));
	if (!b->full && !b->held)
		rate = start_rate(c, a, rate);
	c->pacing_rate = rate;
	floor = (uint64_t)(a->app_limited ? APP_FLOOR_WINDOW : 1) * c->mss * 1000000u / max64(a->srtt, 1000);
	if (c->pacing_rate < floor)
		c->pacing_rate = floor;
}

static uint64_t
cwnd_gain(const struct cc_bbr *b)
{
	if (b->held)
		return HOLD_GAIN;
	if (b->state != BBR_STARTUP)
		return CWND_GAIN;
	return spread(b) ? SPREAD_GAIN : STARTUP_GAIN;
}

static void
set_cwnd(struct cc *c, const struct cc_ack *a)
{
	struct cc_bbr *b = &c->bbr;
	uint64_t least = (uint64_t)MIN_WINDOW * c->mss, target;

	if (b->state == BBR_PROBE_RTT) {
		c->cwnd = min64(c->cwnd, max64(bdp(b) / 2, least));
		return;
	}
	target = bdp(b) * cwnd_gain(b) / GAIN + b->extra.value[0] + 3 * (uint64_t)c->mss;
	if (b->full || b->held)
		c->cwnd = min64(c->cwnd + a->acked, target);
	else if (c->cwnd < target || bdp(b) == 0)
		c->cwnd += a->acked;
	bbr_start_leap(c, a);
	if (b->inflight_hi != UINT64_MAX)
		c->cwnd = min64(c->cwnd, b->inflight_hi + b->extra.value[0]);
	c->cwnd = max64(c->cwnd, least);
}

void
cc_bbr_on_ack(struct cc *c, const struct cc_ack *a)
{
	struct cc_bbr *b = &c->bbr;
	bool round = update_round(b, a);

	update_bw(b, a);
	if (!b->full)
		cc_start_on_ack(&b->start, a, c->mss, round);
	update_extra(c, a);
	update_min_rtt(b, a);
	update_mean_rtt(b, a);
	judge_loss(c, a, round);
	update_state(c, a, round);
	set_pacing(c, a);
	set_cwnd(c, a);
}
