/* cc: how fast one flow may send. Congestion window and pacing rate from what was delivered and lost.
 *
 * Bytes here are datagram bytes (payload, headers, UDP and IP), so that the rate is the path's. The ARQ reports, cc answers by
 * its two results, cwnd and pacing_rate; it keeps no clock and knows no segment.
 */
#ifndef KCPSHIM_CC_H
#define KCPSHIM_CC_H

#include <stdbool.h>
#include <stdint.h>

#include "kcp.h"

/* What one datagram of acknowledgements told. */
struct cc_ack {
	uint64_t now;
	uint64_t delivered;        /* bytes delivered in the flow's life, these included */
	uint64_t acked;            /* bytes newly acknowledged */
	uint64_t lost;             /* bytes newly found lost */
	uint64_t inflight;         /* bytes in flight after all that */
	uint64_t prior_delivered;  /* `delivered` when the newest acknowledged segment was sent */
	uint64_t rate;             /* delivery rate sample, bytes/s; 0: none */
	uint64_t srtt, min_rtt;    /* us; 0: unknown */
	uint64_t rtt;              /* us; least sample of this datagram, 0: none */
	bool app_limited;          /* the sample was taken while the writer had nothing to send */
};

struct cc {
	enum kcp_cc kind;
	uint32_t mss;              /* bytes of a full datagram */
	uint64_t rate_cap;         /* bytes/s, 0: none */
	uint64_t wnd;              /* bytes that the windows allow */
	/* results */
	uint64_t cwnd;             /* bytes that may be in flight */
	uint64_t pacing_rate;      /* bytes/s, never 0 */
	/* KCP_CC_KCP */
	uint64_t ssthresh;
	uint64_t prior_cwnd, prior_ssthresh;
	uint64_t recovery_end;     /* `delivered` that ends the present loss episode */
};

void cc_init(struct cc *, enum kcp_cc, uint32_t mss, uint64_t rate_cap);
/* Changes kind or cap of a running flow; the present window is the start of the new rule. */
void cc_set(struct cc *, enum kcp_cc, uint64_t rate_cap);
void cc_on_ack(struct cc *, const struct cc_ack *);
/* The retransmission timer expired for everything in flight. */
void cc_on_timeout(struct cc *, uint64_t inflight);
/* The last loss episode was reordering: takes its reduction back. */
void cc_on_spurious(struct cc *);

#endif
