/* lane: which of the threads that serve one port together a datagram belongs to.
 *
 * A server's connection ids are chosen so that the thread that has the session can be read from them, and a first flight belongs
 * to a thread by its ephemeral key, so that whoever repeats it, from wherever, meets the one that remembers it. The kernel
 * follows the same rule (udp_steer.h).
 */
#ifndef KCPSHIM_LANE_H
#define KCPSHIM_LANE_H

#include <stdbool.h>
#include <stdint.h>

#define LANE_MAX 16u
#define LANE_ID_AT 0u    /* byte of DATA: the lowest of the connection id */
#define LANE_KIND_AT 4u
#define LANE_TOKEN_AT 40u /* 32 bits of an INIT, big-endian: of the ephemeral key, or of what stands in its place */

/* `lanes`: 0 or 1: there is only one. */
static inline bool
lane_has_cid(unsigned lane, unsigned lanes, uint32_t cid)
{
	return lanes <= 1 || (cid & 0xffu) % lanes == lane;
}

#endif
