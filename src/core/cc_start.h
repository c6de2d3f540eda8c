/* cc_start: what the trains of a flow's first windows say of the path, so that a long one is filled in few round trips. */
#ifndef KCPSHIM_CC_START_H
#define KCPSHIM_CC_START_H

#include <stdbool.h>
#include <stdint.h>

struct cc_ack;

/* A window that is sent in a part of a round trip is a train of datagrams. One that arrives as it was sent has shown that the path
 * carries its rate, which is more than the window in a round trip; one that arrives more slowly shows how much the path carries.
 * On such evidence SUSS (Arghavani, Zhang, Eager, Arlitt: "SUSS: Improving TCP Performance by Speeding Up Slow-Start", SIGCOMM 2024)
 * has the window grow fourfold in a round trip. All zero: nothing seen. */
struct cc_start {
	/* At the train's first acknowledgement, low 32 bits: `delivered`, the time, and when that datagram was sent. */
	uint32_t train_delivered, train_at, train_sent;
	bool train;                         /* there is one */
	bool spread;                        /* trains arrive more slowly than they are sent: `rate` is the path's */
	bool over;                          /* no fourfold growth any more */
	uint8_t waits;                      /* round trips in which samples stayed below `rate` */
	uint32_t rate;                      /* bytes/s: greatest that a train had, and of those that were slower */
	uint32_t spread_rate;
};

/* Takes in what one datagram of acknowledgements told. `round`: it ends a round trip, so that a train begins with it. `mss`: bytes of
 * a full datagram. */
void cc_start_on_ack(struct cc_start *, const struct cc_ack *, uint32_t mss, bool round);

#endif
