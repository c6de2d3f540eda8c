#include "flights.h"

#include <string.h>

#include "mem.h"

#define WAYS 8u
#define TAG_LEN 16u

struct flight {
	uint8_t tag[TAG_LEN];  /* of the ephemeral key */
	uint64_t time;         /* of the client */
	uint64_t seen_at;      /* of the server; 0: free */
};

/* A small bucket, chosen by bytes of the key, bounds the work per INIT whatever keys a peer makes. What one bucket forgets
 * raises its own floor only, so a peer that fills one costs the others in it a RETRY and nobody else anything. */
struct bucket {
	uint64_t floor;        /* an INIT not made after this time is not fresh by its time */
	struct flight flight[WAYS];
};

struct flights {
	struct mem *mem;
	size_t nbuckets;
	struct bucket bucket[];
};

static size_t
flights_size(size_t nbuckets)
{
	return sizeof(struct flights) + nbuckets * sizeof(struct bucket);
}

struct flights *
flights_new(struct mem *mem, size_t capacity, uint64_t now)
{
	size_t nbuckets = (capacity + WAYS - 1) / WAYS;
	struct flights *f;

	if (capacity == 0 || capacity > 65535)
		return NULL;
	f = mem_alloc(mem, flights_size(nbuckets));
	if (f == NULL)
		return NULL;
	f->mem = mem;
	f->nbuckets = nbuckets;
	for (size_t i = 0; i < nbuckets; i++)
		f->bucket[i].floor = now;
	return f;
}

void
flights_free(struct flights *f)
{
	if (f != NULL)
		mem_free(f->mem, f, flights_size(f->nbuckets));
}

static size_t
bucket_index(const struct flights *f, const uint8_t ephemeral[32])
{
	uint32_t bits;

	/* Bytes that are not part of the tag. */
	memcpy(&bits, ephemeral + TAG_LEN, sizeof bits);
	return bits % f->nbuckets;
}

static bool
expired(const struct flight *flight, uint64_t now)
{
	return flight->seen_at == 0 || now - flight->seen_at >= FLIGHTS_KEEP_NS;
}

static bool
within_tolerance(uint64_t time, uint64_t now)
{
	return (time > now ? time - now : now - time) <= FLIGHTS_TOLERANCE_NS;
}

enum flights_verdict
flights_check(const struct flights *f, const uint8_t ephemeral[32], uint64_t time, bool cookie_ok, uint64_t now)
{
	const struct bucket *b = &f->bucket[bucket_index(f, ephemeral)];

	for (unsigned i = 0; i < WAYS; i++) {
		if (!expired(&b->flight[i], now) && memcmp(b->flight[i].tag, ephemeral, TAG_LEN) == 0)
			return FLIGHTS_SEEN;
	}
	if (cookie_ok || (time > b->floor && within_tolerance(time, now)))
		return FLIGHTS_FRESH;
	return FLIGHTS_STALE;
}

void
flights_add(struct flights *f, const uint8_t ephemeral[32], uint64_t time, uint64_t now)
{
	struct bucket *b = &f->bucket[bucket_index(f, ephemeral)];
	struct flight *slot = &b->flight[0];

	for (unsigned i = 0; i < WAYS; i++) {
		struct flight *flight = &b->flight[i];

		if (expired(flight, now)) {
			slot = flight;
			break;
		}
		if (flight->seen_at < slot->seen_at)
			slot = flight;
	}
	/* A time too far ahead is remembered by nothing: as a floor it would ask everybody for cookies until then. */
	if (!expired(slot, now) && slot->time > b->floor && slot->time <= now + FLIGHTS_TOLERANCE_NS)
		b->floor = slot->time;
	memcpy(slot->tag, ephemeral, TAG_LEN);
	slot->time = time;
	slot->seen_at = now;
}
