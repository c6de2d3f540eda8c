/* rtt: see rtt.h. */
#include "rtt.h"

#include <string.h>

void
rtt_init(struct rtt *r, uint64_t rto_min_us)
{
	memset(r, 0, sizeof(*r));
	r->min = r->next_min = UINT64_MAX;
	r->rto_min = rto_min_us;
}

/* Two half-windows stand in for a sliding minimum: the estimate is at most one and a half windows old. */
static void
update_min(struct rtt *r, uint64_t sample, uint64_t now)
{
	if (now - r->min_at > RTT_MIN_WINDOW_US && r->min != UINT64_MAX) {
		r->min = r->next_min;
		r->min_at = r->next_at;
		r->next_min = UINT64_MAX;
	}
	if (sample <= r->min) {
		r->min = sample;
		r->min_at = now;
		r->next_min = UINT64_MAX;
	} else if (now - r->min_at > RTT_MIN_WINDOW_US / 2 && sample <= r->next_min) {
		r->next_min = sample;
		r->next_at = now;
	}
}

void
rtt_sample(struct rtt *r, uint64_t rtt, uint64_t now)
{
	uint64_t diff;

	if (rtt > RTT_SAMPLE_MAX_US)
		return;
	if (rtt == 0)
		rtt = 1;
	update_min(r, rtt, now);
	if (r->srtt == 0) {
		r->srtt = rtt;
		r->rttvar = rtt / 2;
		return;
	}
	diff = rtt > r->srtt ? rtt - r->srtt : r->srtt - rtt;
	r->rttvar = (3 * r->rttvar + diff) / 4;
	r->srtt = (7 * r->srtt + rtt) / 8;
	if (r->srtt == 0)
		r->srtt = 1;
}

uint64_t
rtt_rto(const struct rtt *r)
{
	uint64_t slack = 4 * r->rttvar, rto;

	if (r->srtt == 0)
		return RTT_INITIAL_RTO_US;
	if (slack < r->rto_min / 2)
		slack = r->rto_min / 2;
	rto = r->srtt + slack;
	if (rto < r->rto_min)
		rto = r->rto_min;
	return rto < RTT_MAX_RTO_US ? rto : RTT_MAX_RTO_US;
}

uint64_t
rtt_backoff(uint64_t rto, unsigned n)
{
	while (n-- > 0 && rto < RTT_MAX_RTO_US)
		rto += rto / 2;
	return rto < RTT_MAX_RTO_US ? rto : RTT_MAX_RTO_US;
}
