/* udp_ecn: the ECN field of datagrams, out of the kernel and into it (RFC 3168; ip(7), ipv6(7)). */
#ifndef KCPSHIM_UDP_ECN_H
#define KCPSHIM_UDP_ECN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "../core/ecn.h"
#include "udp.h"

/* From now on the kernel tells the field with each message, by IP_TOS or IPV6_TCLASS. What it merges (UDP_GRO) has one. */
void udp_ecn_prepare(int fd, int domain);
/* Reads it from a control message; false: it is about something else. */
bool udp_ecn_read(const struct cmsghdr *, enum ecn_mark *);
/* What is sent over this connected socket carries `mark` from now on. No system call unless that changes; a control
 * message would make the kernel look the route up for each message, which a connected socket knows. */
void udp_ecn_connected(struct udp_sock *, const struct netaddr *peer, enum ecn_mark mark);
/* The same for one message to `peer`, as a control message of CMSG_SPACE(sizeof(int)) bytes; returns the bytes used: 0 without a mark. */
size_t udp_ecn_put(struct udp_sock *, const struct netaddr *peer, enum ecn_mark mark, struct cmsghdr *);

#endif
