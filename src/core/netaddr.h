/* netaddr: an IP address and port as plain bytes, so that the core needs no sockaddr. */
#ifndef KCPSHIM_NETADDR_H
#define KCPSHIM_NETADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netaddr {
	uint8_t family;    /* 4, 6, or 0 for "not set" */
	uint8_t ip[16];    /* network order; IPv4 uses the first 4 bytes, the rest is 0 */
	uint16_t port;     /* host order */
	uint32_t scope;    /* IPv6 scope id, else 0 */
};

/* "192.0.2.1:80" or "[2001:db8::1%2]:80": longest form and NUL. */
#define NETADDR_STRLEN 64

bool netaddr_equal(const struct netaddr *a, const struct netaddr *b);
/* Ports aside, addresses that one host can take as it likes: the same IPv4 address, or the same /64. */
bool netaddr_same_site(const struct netaddr *a, const struct netaddr *b);
/* FNV-style mix of every field, for hash tables; keyed by `seed`. */
uint32_t netaddr_hash(const struct netaddr *a, uint32_t seed);
/* Writes a printable form into buf[NETADDR_STRLEN]; returns buf. */
const char *netaddr_format(const struct netaddr *a, char buf[NETADDR_STRLEN]);
/* IPv4 address mapped into IPv6 (::ffff:a.b.c.d) turned into family 4; others unchanged. */
void netaddr_unmap(struct netaddr *a);
/* The reverse: family 4 becomes a v4-mapped family 6 address. */
void netaddr_map(struct netaddr *a);

/* Where a datagram travels: the engine's socket, and both ends' addresses.
 * `local.family` is 0 when the kernel is to choose the source address. */
struct path {
	uint32_t sock;          /* engine's handle of the UDP socket, never 0 */
	struct netaddr local;
	struct netaddr remote;
};

bool path_equal(const struct path *a, const struct path *b);

#endif
