/* cc_bbr_start: when and how the start-up of cc_bbr ends, and how a long path is filled faster than by doubling. For cc_bbr*.c only. */
#ifndef KCPSHIM_CC_BBR_START_H
#define KCPSHIM_CC_BBR_START_H

#include "cc.h"

#define BW_ROUNDS 10u
#define LEAP_RTT_MIN_US 80000u            /* on shorter paths there is little to gain */
#define STEP_MIN_US 500u
#define STEP_DIVISOR 32u

static inline uint64_t
max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t
min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Where round trips jump from one datagram to the next, the luckiest says nothing about what has to be in flight, and a window made
 * from its time starves the flow: there the mean counts. A queue grows in small steps. */
static inline bool
uneven(const struct cc_bbr *b)
{
	return b->step > max64(b->min_rtt / STEP_DIVISOR, STEP_MIN_US);
}

static inline bool
jittery(const struct cc_bbr *b)
{
	return uneven(b) && b->least_mean > b->min_rtt + b->min_rtt / 4;
}

/* The path's round trip without a queue. */
static inline uint64_t
base_rtt(const struct cc_bbr *b)
{
	return jittery(b) ? b->least_mean : b->min_rtt;
}

/* A train told the path's rate: no need to look for it by a queue. */
static inline bool
spread(const struct cc_bbr *b)
{
	return b->start.spread && b->min_rtt >= LEAP_RTT_MIN_US && !uneven(b);
}

/* Sets b->held and b->full. `round`: a round trip ended. */
void bbr_start_check(struct cc_bbr *, const struct cc_ack *, bool round);
/* Once the pipe, thought to be full, was tried with a quarter more: believes it, tries again or goes back to start-up. */
void bbr_start_settle(struct cc_bbr *);
/* Whether the newest acknowledgements allow more than doubling. */
bool bbr_start_may_leap(const struct cc *, const struct cc_ack *);
/* Lets the window grow up to what a train has shown that the path carries without a queue. */
void bbr_start_leap(struct cc *, const struct cc_ack *);

#endif
