/* tcpflow: a sender by the rules of Reno or CUBIC (RFC 5681, 9438), as a neighbour on a shared bottleneck: no pacing, loss by three
 * later acknowledgements, one reduction a round trip. It speaks plain KCP, so that our receiver can answer it. */
#ifndef KCPSHIM_TCPFLOW_H
#define KCPSHIM_TCPFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcpflow;

struct tcpflow *tcpflow_new(uint32_t conv, uint32_t mtu, bool cubic);
void tcpflow_free(struct tcpflow *);
void tcpflow_input(struct tcpflow *, const uint8_t *, size_t len, uint64_t now);
/* Next datagram of an endless stream into buf[mtu]; 0: none now. */
size_t tcpflow_output(struct tcpflow *, uint8_t *buf, uint64_t now);
uint64_t tcpflow_deadline(const struct tcpflow *);

#endif
