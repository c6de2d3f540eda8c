#include "random.h"

#include <string.h>

#include <nettle/chacha.h>

static void
random_refill(struct random *r)
{
	static const uint8_t nonce[CHACHA_NONCE_SIZE];
	struct chacha_ctx ctx;

	chacha_set_key(&ctx, r->pool);
	chacha_set_nonce(&ctx, nonce);
	memset(r->pool, 0, sizeof(r->pool));
	chacha_crypt(&ctx, sizeof(r->pool), r->pool, r->pool);
	explicit_bzero(&ctx, sizeof(ctx));
	r->used = RANDOM_SEED_LEN;
}

void
random_init(struct random *r, const uint8_t seed[RANDOM_SEED_LEN])
{
	memcpy(r->pool, seed, RANDOM_SEED_LEN);
	r->used = RANDOM_POOL_LEN;
}

void
random_bytes(struct random *r, void *out, size_t len)
{
	uint8_t *p = out;
	size_t n;

	while (len > 0) {
		if (r->used == RANDOM_POOL_LEN)
			random_refill(r);
		n = RANDOM_POOL_LEN - r->used;
		if (n > len)
			n = len;
		memcpy(p, r->pool + r->used, n);
		memset(r->pool + r->used, 0, n);
		r->used += n;
		p += n;
		len -= n;
	}
}

uint32_t
random_u32(struct random *r)
{
	uint32_t v;

	random_bytes(r, &v, sizeof(v));
	return v;
}

uint64_t
random_u64(struct random *r)
{
	uint64_t v;

	random_bytes(r, &v, sizeof(v));
	return v;
}
