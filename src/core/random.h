/* random: the endpoint's only source of chance, a ChaCha20 stream from one seed, so that runs can be repeated.
 *
 * Fast key erasure: each refill replaces the key, so what was handed out cannot be computed from the present state.
 */
#ifndef KCPSHIM_RANDOM_H
#define KCPSHIM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_SEED_LEN 32u
#define RANDOM_POOL_LEN 512u

struct random {
	uint8_t pool[RANDOM_POOL_LEN]; /* [0, RANDOM_SEED_LEN): next key; the rest: output, wiped when handed out */
	size_t used;                   /* bytes of pool that are no output any more, key included */
};

void random_init(struct random *, const uint8_t seed[RANDOM_SEED_LEN]);
/* Fills out[0..len). Never fails. */
void random_bytes(struct random *, void *out, size_t len);
uint32_t random_u32(struct random *);
uint64_t random_u64(struct random *);

#endif
