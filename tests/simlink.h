/* simlink: one direction of a network path on a virtual clock: rate, queue, delay, loss, jitter. Seeded, deterministic. */
#ifndef KCPSHIM_SIMLINK_H
#define KCPSHIM_SIMLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMLINK_OVERHEAD 28u    /* UDP and IPv4 headers, charged to the rate */
#define SIMLINK_MAX 2048u

struct simlink_config {
	uint64_t rate;          /* bytes/s; 0: without limit */
	uint64_t queue;         /* bytes that may wait for the rate; 0: without limit */
	uint64_t delay;         /* us */
	uint64_t jitter;        /* us, added evenly from 0 */
	uint64_t sigma;         /* us, standard deviation of a normal addition (never below 0 in all) */
	bool reorder;           /* jitter may change the order; else a datagram is never faster than the one before it */
	double loss;            /* probability, behind the queue */
	double burst;           /* probability that a burst of losses begins */
	unsigned burst_len;     /* datagrams lost in each burst */
	double dup, corrupt;    /* probabilities */
	const char *profile;    /* settings of tests/linkem (a profile's name or words), whose model then replaces all of the above */
};

struct simlink_packet {
	uint64_t at;            /* arrival */
	uint64_t order;
	size_t len;
	uint8_t *data;
};

struct linkem_direction;

struct simlink {
	struct simlink_config cfg;
	uint64_t rng;
	uint64_t busy_until;    /* when the last queued byte leaves */
	uint64_t last_arrival;
	uint64_t order;
	unsigned burst_left;
	struct simlink_packet *heap;
	size_t count, cap;
	/* set by simprofile_init(): another model of the path */
	void (*offer)(struct simlink *, const uint8_t *, size_t len, uint64_t now);
	struct linkem_direction *model;
	/* counters */
	uint64_t offered, offered_bytes, queue_drops, random_drops, delivered, delivered_bytes;
	uint64_t carried_bytes; /* bytes that passed the queue, headers included */
};

uint64_t simlink_random(uint64_t *state);
/* Evenly from [0, 1). */
double simlink_uniform(uint64_t *state);
/* A config with a profile needs simprofile_init(). */
void simlink_init(struct simlink *, const struct simlink_config *, uint64_t seed);
void simlink_dispose(struct simlink *);
/* It arrives at `at` (what simlink_send() decides itself where there is no model). */
void simlink_deliver(struct simlink *, const uint8_t *, size_t len, uint64_t at);
/* A datagram enters the link (or is dropped). */
void simlink_send(struct simlink *, const uint8_t *, size_t len, uint64_t now);
/* Next arrival; UINT64_MAX: none. */
uint64_t simlink_next(const struct simlink *);
/* Takes a datagram that arrived by `now` into buf[SIMLINK_MAX]; 0: none. */
size_t simlink_take(struct simlink *, uint8_t *buf, uint64_t now);

#endif
