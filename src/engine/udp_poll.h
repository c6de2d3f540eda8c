/* udp_poll: sockets with steady traffic are read by time rather than by event, as network drivers do with their interrupts.
 *
 * A wake-up costs more than a datagram. A socket that gets several datagrams within a small part of its sessions' round trips is
 * taken out of the epoll set's interest and read once per such part; one that does not is read as each datagram comes.
 */
#ifndef KCPSHIM_UDP_POLL_H
#define KCPSHIM_UDP_POLL_H

#include "udp.h"

#define UDP_POLL_SHARE 16u              /* of the round trip: what reading by time may add to it */
#define UDP_POLL_MIN_US 100u            /* shorter pauses are not worth it */
#define UDP_POLL_MAX_US 5000u
#define UDP_POLL_BEGIN 3u               /* datagrams in two pauses that make it worth it */
#define UDP_POLL_GO_ON 1u               /* less once it is done: acknowledgements of a peer that reads by time come one a pause */
#define UDP_POLL_PATIENCE 4u            /* pauses without a datagram until the next one is waited for */

/* How long to wait between two readings, us; 0: read by event. `srtt`: the least round trip among the sessions heard of, us,
 * 0: unknown. `datagrams` came in `wakes` readings in the last `elapsed` us; `polled`: they were by time. Pure. */
uint32_t udp_poll_interval(uint64_t srtt, uint32_t datagrams, uint32_t wakes, uint64_t elapsed, bool polled);

/* The socket was read and gave `datagrams`. */
void udp_poll_count(struct loop *, struct udp_sock *, unsigned datagrams);
/* A session on this socket moves data and has this round trip, us. */
void udp_poll_hint(struct loop *, uint32_t sock, uint64_t srtt);
/* Back to events. */
void udp_poll_stop(struct loop *, struct udp_sock *);
/* Reads the sockets whose time has come; nearly come is enough, as the engine is awake anyway. */
void udp_poll_due(struct loop *);
/* When the next one has to be read; KCP_NEVER: none. */
uint64_t udp_poll_deadline(const struct loop *);

#endif
