/* kcppair: two ARQs with a simulated path between them, driven on a virtual clock. */
#ifndef KCPSHIM_KCPPAIR_H
#define KCPSHIM_KCPPAIR_H

#include "core/kcp.h"
#include "core/mem.h"
#include "simlink.h"

struct kcppair {
	struct mem *mem;
	struct kcp *a, *b;
	struct simlink ab, ba;
	enum wire_codec codec;
	uint32_t conv;
	uint64_t now;
};

/* Both ends get `cfg`. The links' seeds derive from `seed`. */
void kcppair_init(struct kcppair *, const struct kcp_config *cfg, const struct simlink_config *ab,
    const struct simlink_config *ba, uint64_t seed, uint64_t now);
void kcppair_dispose(struct kcppair *);
/* Sends what is due at p->now on both sides and takes in what arrived by then. */
void kcppair_step(struct kcppair *);
/* When the next step can do something; UINT64_MAX: never. */
uint64_t kcppair_next(const struct kcppair *);
/* Steps until p->now == until. */
void kcppair_run(struct kcppair *, uint64_t until);

/* Writes up to `len` bytes; returns how many were taken. */
size_t kcppair_write(struct kcp *, const uint8_t *, size_t len, uint64_t now);
/* Reads up to `len` bytes. */
size_t kcppair_read(struct kcp *, uint8_t *, size_t len, uint64_t now);
/* Feeds one datagram; returns what wire_next() ended with (0 or negative). */
int kcppair_feed(struct kcp *, enum wire_codec, uint32_t conv, const uint8_t *, size_t len, uint64_t now);

#endif
