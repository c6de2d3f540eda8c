/* udp_bind: bind(2) with the rules that make a restarted server get its port while a foreign owner keeps his. */
#ifndef KCPSHIM_UDP_BIND_H
#define KCPSHIM_UDP_BIND_H

#include <stdbool.h>

#include "../core/netaddr.h"
#include "udp.h"

/* Binds `fd`. 0 or positive errno. */
int udp_bind(int fd, int domain, const struct netaddr *local, enum udp_share);
void udp_bind_reuse(int fd, bool on);
/* SO_REUSEPORT, which also the sockets that are there already must have. */
void udp_bind_share(int fd, bool on);

#endif
