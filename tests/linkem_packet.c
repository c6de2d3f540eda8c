#include "linkem_packet.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>

struct linkem_packet *
linkem_packet_new(size_t mtu)
{
	return malloc(sizeof(struct linkem_packet) + mtu);
}

void
linkem_packet_free(struct linkem_packet *packet)
{
	free(packet);
}

static bool
is_before(const struct linkem_packet *a, const struct linkem_packet *b)
{
	return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

int
linkem_flight_push(struct linkem_flight *flight, struct linkem_packet *packet)
{
	size_t at = flight->count;

	if (flight->count == flight->capacity) {
		size_t capacity = flight->capacity == 0 ? 1024 : 2 * flight->capacity;
		struct linkem_packet **heap = realloc(flight->heap, capacity * sizeof(struct linkem_packet *));

		if (heap == NULL)
			return -1;
		flight->heap = heap;
		flight->capacity = capacity;
	}
	packet->order = flight->next_order++;
	flight->count++;
	while (at > 0 && is_before(packet, flight->heap[(at - 1) / 2])) {
		flight->heap[at] = flight->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	flight->heap[at] = packet;
	return 0;
}

uint64_t
linkem_flight_next(const struct linkem_flight *flight)
{
	return flight->count == 0 ? UINT64_MAX : flight->heap[0]->due_ns;
}

struct linkem_packet *
linkem_flight_pop(struct linkem_flight *flight)
{
	struct linkem_packet *first, *last;
	size_t at = 0;

	if (flight->count == 0)
		return NULL;
	first = flight->heap[0];
	last = flight->heap[--flight->count];
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= flight->count)
			break;
		if (child + 1 < flight->count && is_before(flight->heap[child + 1], flight->heap[child]))
			child++;
		if (!is_before(flight->heap[child], last))
			break;
		flight->heap[at] = flight->heap[child];
		at = child;
	}
	if (flight->count > 0)
		flight->heap[at] = last;
	return first;
}

void
linkem_flight_dispose(struct linkem_flight *flight)
{
	for (size_t i = 0; i < flight->count; i++)
		linkem_packet_free(flight->heap[i]);
	free(flight->heap);
	*flight = (struct linkem_flight){0};
}

/* Where the payload begins, and where a UDP checksum stands (0: none); 0 when there is no payload to find. */
static size_t
payload_offset(const uint8_t *data, size_t len, size_t *udp_checksum)
{
	size_t ip_len;
	uint8_t protocol;

	*udp_checksum = 0;
	if (len >= 20 && data[0] >> 4 == 4) {
		ip_len = (size_t)(data[0] & 15) * 4;
		protocol = data[9];
	} else if (len >= 40 && data[0] >> 4 == 6) {
		ip_len = 40;
		protocol = data[6];
	} else {
		return 0;
	}
	if (protocol == IPPROTO_UDP && len > ip_len + 8) {
		*udp_checksum = ip_len + 6;
		return ip_len + 8;
	}
	if (protocol == IPPROTO_TCP && len > ip_len + 20)
		return ip_len + (size_t)(data[ip_len + 12] >> 4) * 4;
	return 0;
}

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

void
linkem_packet_corrupt(uint8_t *data, size_t len, uint32_t bit, int hide)
{
	size_t checksum, payload = payload_offset(data, len, &checksum);
	size_t at, word;
	uint16_t before, after;
	uint32_t sum;

	if (payload == 0 || payload >= len)
		return;
	at = payload + bit / 8 % (len - payload);
	word = payload + ((at - payload) & ~(size_t)1);
	before = word + 1 < len ? get16(data + word) : (uint16_t)(data[word] << 8);
	data[at] ^= (uint8_t)(1u << (bit & 7));
	after = word + 1 < len ? get16(data + word) : (uint16_t)(data[word] << 8);
	if (!hide || checksum == 0 || get16(data + checksum) == 0)
		return;
	sum = (uint16_t)~get16(data + checksum);
	sum += (uint16_t)~before;
	sum += after;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = (uint16_t)~sum;
	put16(data + checksum, (uint16_t)(sum == 0 ? 0xffff : sum));
}

int
linkem_packet_mark(uint8_t *data, size_t len)
{
	uint16_t before, after;
	uint32_t sum;

	if (len >= 40 && data[0] >> 4 == 6) {
		unsigned ecn = data[1] >> 4 & 3;

		data[1] |= ecn == 1 || ecn == 2 ? 0x30 : 0;
		return ecn == 1 || ecn == 2;
	}
	if (len < 20 || data[0] >> 4 != 4 || (data[1] & 3) == 0 || (data[1] & 3) == 3)
		return 0;
	before = get16(data);
	data[1] |= 3;
	after = get16(data);
	/* RFC 1624: HC' = ~(~HC + ~m + m') */
	sum = (uint32_t)(uint16_t)~get16(data + 10) + (uint16_t)~before + after;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(data + 10, (uint16_t)~sum);
	return 1;
}
