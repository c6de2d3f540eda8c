/* cc: how fast one flow may send. Congestion window and pacing rate from what was delivered and lost.
 *
 * Bytes here are datagram bytes (payload, headers, UDP and IP), so that the rate is the path's. The ARQ reports, cc answers by
 * its two results, cwnd and pacing_rate; it keeps no clock and knows no segment.
 */
#ifndef KCPSHIM_CC_H
#define KCPSHIM_CC_H

#include <stdbool.h>
#include <stdint.h>

#include "cc_start.h"
#include "kcp.h"
#include "winmax.h"

/* What one datagram of acknowledgements told. */
struct cc_ack {
	uint64_t now;
	uint64_t delivered;        /* bytes delivered in the flow's life, these included */
	uint64_t inflight;         /* bytes in flight after all that */
	uint64_t prior_delivered;  /* `delivered` when the newest acknowledged segment was sent */
	uint64_t rate;             /* delivery rate sample, bytes/s; 0: none */
	uint32_t sent;             /* low 32 bits of the time when the newest acknowledged segment was sent */
	uint32_t acked;            /* bytes newly acknowledged */
	uint32_t lost;             /* bytes newly found lost */
	uint32_t calm_acked, calm_lost;  /* of those, sent between calm_from and calm_to of struct cc */
	uint32_t srtt;             /* us; 0: unknown */
	uint32_t rtt;              /* us; least sample of this datagram, 0: none */
	bool app_limited;          /* the sample was taken while the writer had nothing to send */
	bool ce;                   /* a router marked some of what was sent, instead of dropping it */
	bool queued;               /* what the sample is made of came further apart than it was sent */
};

/* KCP's own window (ikcp_input, ikcp_flush), which is Reno's. */
struct cc_classic {
	uint64_t ssthresh;
	uint64_t recovery_end;     /* `delivered` that ends the present loss episode */
};

enum bbr_state { BBR_STARTUP, BBR_DRAIN, BBR_PROBE_BW, BBR_PROBE_RTT };

/* draft-ietf-ccwg-bbr, with the gain cycle of its first version. */
struct cc_bbr {
	struct winmax bw;          /* bytes/s */
	struct winmax extra;       /* bytes acknowledged beyond the estimated rate */
	uint32_t round;
	uint8_t state, phase;
	uint8_t full_rounds;
	uint8_t calm;              /* rounds since the last congested one */
	bool full;                 /* the pipe was full once */
	bool full_by_loss;         /* so it seemed from a loss, a moment ago */
	bool rising;               /* start-up: the newest round trips are longer than the path's */
	bool held;                 /* start-up: waits whether they stay so */
	bool congested;            /* this round lost more than the path does by itself, and its queue had grown; or was marked */
	bool round_ce;             /* a mark came in this round */
	uint8_t rise_n;            /* samples in rise_min */
	uint32_t rise_min;         /* us */
	uint32_t rise_floor;       /* us: what had another reason than a queue */
	union {
		uint64_t hold_end; /* while held: `delivered` that ends the waiting */
		uint64_t doubt_bw; /* else: the estimate when start-up ended for a queue that may have been jitter; 0: none */
	};
	uint32_t hold_min;         /* us: least round trip since */
	uint16_t hold_n, hold_queued; /* samples since, and those that came further apart than they were sent */
	uint64_t round_end;        /* `delivered` that ends the round */
	uint64_t full_bw;
	struct cc_start start;
	uint64_t start_rate;       /* bytes/s: greatest before the pipe was full once */
	uint64_t min_rtt_at, probe_rtt_end;
	uint32_t min_rtt;          /* us; 0: unknown */
	uint32_t probe_rtt_start;  /* low 32 bits */
	uint64_t mean_sum;         /* of the present mean */
	uint32_t full_at;          /* low 32 bits: when full_bw was looked at last */
	uint32_t mean_n, mean_at;  /* times of the means are the low 32 bits */
	uint32_t mean_rtt;         /* us: last whole mean of the samples */
	uint32_t least_mean, least_mean_at; /* us: of the last ten seconds or more */
	uint64_t dev_sum;          /* of the present mean: distances from the last one */
	uint32_t dev;              /* us: smoothed mean of them */
	uint32_t step;             /* us: smoothed change from one sample to the next */
	uint32_t last_rtt, last_at;/* the sample that the next step is measured from, and its time */
	uint32_t phase_at, epoch_at;         /* low 32 bits */
	uint64_t epoch_acked;                /* of the aggregation estimate */
	uint64_t round_lost, round_acked;
	uint32_t round_rtt;
	uint32_t base_lost, base_acked;
	uint32_t base_loss;        /* per 65536: what is lost while there is no queue */
	uint64_t inflight_hi;      /* UINT64_MAX: no limit known */
	uint64_t prior_hi;         /* before the last congested round; 0: taken back already */
};

struct cc {
	enum kcp_cc kind;
	uint32_t mss;              /* bytes of a full datagram */
	uint64_t rate_cap;         /* bytes/s, 0: none */
	uint64_t wnd;              /* bytes that the windows allow */
	/* results */
	uint64_t cwnd;             /* bytes that may be in flight */
	uint64_t pacing_rate;      /* bytes/s, never 0 */
	uint32_t calm_from, calm_to; /* low 32 bits of a time in which the flow itself gave no reason to drop; equal: none */

	uint64_t prior_cwnd, prior_ssthresh; /* before the last reduction; 0: none */
	union {
		struct cc_classic classic;
		struct cc_bbr bbr;
	};
};

void cc_init(struct cc *, enum kcp_cc, uint32_t mss, uint64_t rate_cap);
/* Changes kind or cap of a running flow; the present window is the start of the new rule. */
void cc_set(struct cc *, enum kcp_cc, uint64_t rate_cap);
/* The round trip before anything was sent. The first window is a rate, so a long path may have more of it under way. */
void cc_seed_rtt(struct cc *, uint64_t rtt_us);
void cc_on_ack(struct cc *, const struct cc_ack *);
/* Retransmission timeouts: nothing, or almost nothing, arrives any more. */
void cc_on_timeout(struct cc *, uint64_t inflight);
/* What was found lost had only been late: takes the reduction back. */
void cc_on_spurious(struct cc *);

/* cc_bbr.c, for cc.c */
void cc_bbr_init(struct cc *);
void cc_bbr_on_ack(struct cc *, const struct cc_ack *);
void cc_bbr_on_spurious(struct cc *);

#endif
