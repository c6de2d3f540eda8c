/* rtt: round-trip estimates of one path, in microseconds: smoothed, variance, windowed minimum, timeouts. */
#ifndef KCPSHIM_RTT_H
#define KCPSHIM_RTT_H

#include <stdbool.h>
#include <stdint.h>

#define RTT_INITIAL_RTO_US 200000u      /* KCP's IKCP_RTO_DEF */
#define RTT_MAX_RTO_US 60000000u        /* KCP's IKCP_RTO_MAX */
#define RTT_SAMPLE_MAX_US 60000000u     /* larger values are a wrapped or forged clock */
#define RTT_MIN_WINDOW_US 10000000u     /* how long a minimum is believed (draft-ietf-ccwg-bbr MinRTTFilterLen) */

struct rtt {
	uint64_t srtt;       /* 0: no sample yet */
	uint64_t rttvar;
	uint64_t min;        /* least sample of the last RTT_MIN_WINDOW_US; UINT64_MAX: none */
	uint64_t min_at;     /* when `min` was measured */
	uint64_t next_min;   /* least sample of the second half of the window, takes over when `min` expires */
	uint64_t next_at;
	uint64_t rto_min;
};

void rtt_init(struct rtt *, uint64_t rto_min_us);
/* One sample (RFC 6298 2.2, 2.3); values outside 1..RTT_SAMPLE_MAX_US are ignored (0 counts as 1). */
void rtt_sample(struct rtt *, uint64_t rtt_us, uint64_t now);
/* Retransmission timeout without backoff: srtt + max(4 rttvar, rto_min / 2), at least rto_min. */
uint64_t rtt_rto(const struct rtt *);
/* `rto` after `n` timeouts in a row: times 1.5 each (KCP's nodelay rule), at most RTT_MAX_RTO_US. */
uint64_t rtt_backoff(uint64_t rto, unsigned n);

#endif
