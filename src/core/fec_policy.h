/* fec_policy: when erasure groups are worth their bytes, and which. Pure. */
#ifndef KCPSHIM_FEC_POLICY_H
#define KCPSHIM_FEC_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#define FEC_POLICY_OVERHEAD 4u    /* parity is at most one in so many */

/* What is known of a flow and its path. */
struct fec_path {
	uint32_t loss;          /* share of datagrams lost lately, per 65536 */
	uint64_t srtt, min_rtt; /* us; 0: unknown */
	uint64_t gap;           /* us between two datagrams with data; 0: unknown */
	bool fills;             /* it is the path, not the writer, that sets the pace */
};

/* True: groups of *k datagrams and *m of parity. A flow gains when a group is complete well before a retransmission would be
 * there, and when its losses are the path's own: parity on a full queue only adds to it. One that fills its path gains
 * nothing, since for it a retransmission costs less than parity does. */
bool fec_choose(const struct fec_path *, unsigned *k, unsigned *m);

#endif
