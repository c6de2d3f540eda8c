/* cc_start: see cc_start.h. */
#include "cc_start.h"

#include "cc.h"

#define TRAIN_MIN 16u        /* datagrams: fewer say little of a rate */
#define TRAIN_SHARE 16u      /* of the round trip that they take at least, or they came as a lump */
#define FASTER_DIVISOR 4u    /* so much above what seemed to be the path's rate shows that it was not */
#define SPREAD_MIN 48u       /* datagrams: in fewer, jitter takes as long as a queue */
#define SPREAD_DIVISOR 8u    /* of the time in which they left: so much later is slower */
#define SPREAD_SHARE 32u     /* and so much of the round trip, or it was chance */

static void
begin_train(struct cc_start *s, const struct cc_ack *a)
{
	s->train = !a->app_limited;
	s->train_delivered = (uint32_t)a->delivered;
	s->train_at = (uint32_t)a->now;
	s->train_sent = a->sent;
}

void
cc_start_on_ack(struct cc_start *s, const struct cc_ack *a, uint32_t mss, bool round)
{
	uint32_t came = (uint32_t)a->now - s->train_at, left = a->sent - s->train_sent;
	uint64_t bytes = (uint32_t)a->delivered - s->train_delivered, rate;
	bool slower;

	if (a->acked == 0)
		return;
	if (round || !s->train || a->app_limited) {
		begin_train(s, a);
		return;
	}
	/* The newest of a datagram of acknowledgements may be older than the first. */
	if (bytes < (uint64_t)TRAIN_MIN * mss || came < a->srtt / TRAIN_SHARE || left > UINT32_MAX / 2)
		return;
	slower = bytes >= (uint64_t)SPREAD_MIN * mss && came > left + left / SPREAD_DIVISOR + a->srtt / SPREAD_SHARE;
	rate = bytes * 1000000u / (came > left ? came : left);
	rate = rate < UINT32_MAX ? rate : UINT32_MAX;
	if (rate > s->rate)
		s->rate = (uint32_t)rate;
	if (slower) {
		s->spread = true;
		s->spread_rate = rate > s->spread_rate ? (uint32_t)rate : s->spread_rate;
	} else if (rate > s->spread_rate + s->spread_rate / FASTER_DIVISOR) {
		s->spread = false;
	}
}
