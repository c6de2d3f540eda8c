/* udp_mtu: what the kernel has to do with the size of datagrams: DF, fragments, the device's own limit. */
#ifndef KCPSHIM_UDP_MTU_H
#define KCPSHIM_UDP_MTU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/netaddr.h"

/* DF on every datagram. The kernel's own idea of a path's MTU, which any ICMP message changes, is not asked. */
void udp_mtu_prepare(int fd, int domain);
/* Whether IP may fragment what is sent from now on. */
void udp_mtu_fragment(int fd, int domain, bool on);
/* UDP payload that a link or path of `mtu` bytes takes; 0: none. */
size_t udp_mtu_payload(const struct netaddr *remote, uint32_t mtu);

#endif
