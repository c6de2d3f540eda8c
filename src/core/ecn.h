/* ecn: whether a path carries the ECN field of IP as it was sent, and what the peer counted there (RFC 3168, RFC 9000 13.4).
 *
 * Small datagrams that nobody misses are marked first; only when one was seen to arrive marked are all others, too. Counts are
 * modulo 2^32 and speak of DATA datagrams that opened. `other` are those that carried no mark.
 */
#ifndef KCPSHIM_ECN_H
#define KCPSHIM_ECN_H

#include <stdbool.h>
#include <stdint.h>

/* The two bits, as in the IP header. */
enum ecn_mark { ECN_NOT_ECT, ECN_ECT1, ECN_ECT0, ECN_CE };

enum ecn_state {
	ECN_IDLE,       /* nothing was sent that would have been worth a mark */
	ECN_TESTING,    /* probes are marked */
	ECN_CAPABLE,    /* everything is marked */
	ECN_FAILED,     /* nothing is marked any more on this path */
};

#define ECN_PROBES 3u           /* that have no effect until the path is given up */
#define ECN_RETESTS 3u          /* of one path, after nothing went through any more */
#define ECN_CE_RUN 64u          /* datagrams with CE and none without, for as many round trips: not a queue */
#define ECN_CE_ROUNDS 8u
#define ECN_LATE 64u            /* cleared marks of the path before that may come later than the first true one */
#define ECN_ECHO_FIRST 16u      /* so many counts are told one by one, later ones in lumps, unless CE is among them */
#define ECN_ECHO_LUMP 32u

struct ecn_counts {
	uint32_t other, ect0, ect1, ce;
};

struct ecn {
	/* what came */
	uint32_t ect0, ect1, ce;
	uint32_t told, told_ce;     /* all, and CE, as last told to the peer */
	/* what was sent */
	uint8_t state;              /* enum ecn_state */
	uint8_t probes;             /* without an effect so far */
	uint8_t retests;
	bool waiting;               /* for the effect of a probe */
	bool only_ce;               /* since run_at */
	uint32_t marked;            /* datagrams sent with ECT(0) */
	struct ecn_counts seen;     /* by the peer, as last told */
	uint32_t base_other;        /* of `seen`, and */
	uint32_t base_unmarked;     /* sent without a mark: when the first path, or one after a path that cleared marks, began */
	uint32_t run_ce;            /* of `seen`, when the present run of nothing but CE began */
	uint64_t run_at;            /* us */
	uint64_t probe_at, answer_by; /* us: newest probe sent, and given up */
};

/* --- receiver --- */
/* A datagram opened that carried `mark`, one of ECN_ECT0, ECN_ECT1, ECN_CE. */
void ecn_received(struct ecn *, enum ecn_mark mark);
/* What is to be told, if it is worth telling; `total`: datagrams that opened so far. False: not now. */
bool ecn_echo(const struct ecn *, uint32_t total, struct ecn_counts *);
/* It was told. */
void ecn_echoed(struct ecn *, const struct ecn_counts *);

/* --- sender; `sent`: datagrams so far, marked or not --- */
/* A full datagram was sent. */
void ecn_used(struct ecn *);
/* Whether a marked probe is to be sent now. `arrived`: when the newest segment was sent that is known to have arrived; a probe that
 * nothing overtook counts as under way. */
bool ecn_probe_due(struct ecn *, uint64_t arrived, uint64_t now);
/* It was sent; `wait`: us until it counts as lost. */
void ecn_probe_sent(struct ecn *, uint64_t wait, uint64_t now);
/* The mark of the next ordinary datagram, which is counted as sent with it. */
enum ecn_mark ecn_mark(struct ecn *);
/* The peer told `counts`; older ones than are known are ignored. `rtt`: us. Returns how many more CE there are: to be answered as a loss
 * would be (RFC 3168 section 5), at most once in a round trip. */
uint32_t ecn_report(struct ecn *, const struct ecn_counts *, uint32_t sent, uint64_t rtt, uint64_t now);
/* The path is another one. */
void ecn_restart(struct ecn *);
/* Nothing gets through any more: perhaps because of the mark. */
void ecn_suspect(struct ecn *);

#endif
