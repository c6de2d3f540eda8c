/* simnet: a network between two endpoints on a virtual clock, for tests. Everything it does follows from its seed. */
#ifndef TESTS_SIMNET_H
#define TESTS_SIMNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/netaddr.h"

#define SIMNET_DATAGRAM_MAX 9216u

/* Chances are in 1/1000 of all datagrams. Times in us. */
struct simnet_link {
	uint64_t delay, jitter;          /* one way; jitter: uniform in [0, jitter), so it reorders */
	uint32_t loss;                   /* independent */
	uint32_t burst_start, burst_end; /* a burst of loss begins / ends at a datagram; it lasts half a second at most */
	uint32_t dup, dup_late;          /* a copy a little later / up to five seconds later */
	uint32_t corrupt;                /* some bits flipped, or the end cut off */
	uint64_t blackout_at, blackout;  /* nothing passes in [at, at + blackout) */
	uint32_t mtu;                    /* larger datagrams vanish, unless they may be fragmented; 0: none */
	uint64_t mtu_at;                 /* from then on */
};

struct simnet_rng {
	uint64_t state;
};

struct simnet_datagram {
	uint64_t at;
	uint64_t order;
	int to;                          /* side that receives it */
	struct path path;                /* as the receiver sees it */
	uint8_t mark;                    /* enum ecn_mark */
	size_t len;
	uint8_t data[SIMNET_DATAGRAM_MAX];
};

struct simnet {
	bool fragment;                   /* of the datagrams sent from now on: routers may cut them */
	uint8_t mark;                    /* of the datagrams sent from now on: enum ecn_mark */
	struct simnet_link link;
	struct simnet_rng rng;
	struct simnet_datagram **heap;   /* earliest first */
	size_t n, cap;
	uint64_t order;
	uint64_t burst_until[2];         /* 0: no burst */
	uint64_t sent, lost, too_big;
};

uint64_t simnet_random(struct simnet_rng *);
/* In [0, n); n > 0. */
uint64_t simnet_below(struct simnet_rng *, uint64_t n);
/* True in `chance` of 1000 cases. */
bool simnet_chance(struct simnet_rng *, uint32_t chance);

void simnet_init(struct simnet *, const struct simnet_link *, uint64_t seed);
void simnet_dispose(struct simnet *);
/* A datagram leaves for side `to`, which will see it on `path`. */
void simnet_send(struct simnet *, int to, const struct path *path, const uint8_t *data, size_t len, uint64_t now);
/* Time of the next arrival; UINT64_MAX when nothing is under way. */
uint64_t simnet_next(const struct simnet *);
/* Takes an arrival that is due, or NULL. The caller frees it with free(). */
struct simnet_datagram *simnet_receive(struct simnet *, uint64_t now);

#endif
