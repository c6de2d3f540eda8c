/* linkem_packet: packets in flight, ordered by delivery time, and the damage done to them. */
#ifndef LINKEM_PACKET_H
#define LINKEM_PACKET_H

#include <stddef.h>
#include <stdint.h>

struct linkem_packet {
	uint64_t due_ns;
	uint64_t order; /* of entry; breaks ties, so that equal times keep their order */
	size_t len;
	uint8_t data[];
};

/* A binary heap of the packets in flight in one direction. */
struct linkem_flight {
	struct linkem_packet **heap;
	size_t count, capacity;
	uint64_t next_order;
};

/* A packet with room for `mtu` bytes, or NULL without memory. The caller owns it until linkem_flight_push. */
struct linkem_packet *linkem_packet_new(size_t mtu);
void linkem_packet_free(struct linkem_packet *);

/* Takes over `packet`, due at packet->due_ns. 0, or -1 without memory (the packet stays the caller's). */
int linkem_flight_push(struct linkem_flight *, struct linkem_packet *packet);
/* The time of the earliest delivery; UINT64_MAX when nothing is in flight. */
uint64_t linkem_flight_next(const struct linkem_flight *);
/* The earliest packet, now the caller's; NULL when nothing is in flight. */
struct linkem_packet *linkem_flight_pop(struct linkem_flight *);
/* Frees what is in flight. */
void linkem_flight_dispose(struct linkem_flight *);

/* Flips payload bit `bit` (modulo the payload's bits) of an IPv4 or IPv6 packet; headers of IP, UDP and TCP are spared.
 * With `hide`, a UDP checksum is adjusted to the damage (RFC 1624). Packets without payload stay as they are. */
void linkem_packet_corrupt(uint8_t *data, size_t len, uint32_t bit, int hide);

/* Sets CE in the ECN field of an IPv4 or IPv6 packet that has ECT(0) or ECT(1) there (RFC 3168); 1 when it did. */
int linkem_packet_mark(uint8_t *data, size_t len);

#endif
