#include "noise.h"

#include <string.h>

#include <nettle/chacha-poly1305.h>
#include <nettle/curve25519.h>
#include <nettle/hkdf.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

#include "error.h"
#include "traffic.h"

static const char noise_name[] = "Noise_NNpsk0_25519_ChaChaPoly_SHA256";

void
noise_public(uint8_t out[NOISE_KEY_LEN], const uint8_t secret[NOISE_KEY_LEN])
{
	curve25519_mul_g(out, secret);
}

/* HKDF of section 4.3: 64 bytes of output in the order of its results; with n = 3 another 32. */
static void
noise_hkdf(const uint8_t ck[NOISE_HASH_LEN], const uint8_t *input, size_t len, uint8_t *out, size_t out_len)
{
	struct hmac_sha256_ctx hmac;
	uint8_t prk[NOISE_HASH_LEN];

	hmac_sha256_set_key(&hmac, NOISE_HASH_LEN, ck);
	hkdf_extract(&hmac, (nettle_hash_update_func *)hmac_sha256_update, (nettle_hash_digest_func *)hmac_sha256_digest,
	    NOISE_HASH_LEN, len, input, prk);
	hmac_sha256_set_key(&hmac, NOISE_HASH_LEN, prk);
	hkdf_expand(&hmac, (nettle_hash_update_func *)hmac_sha256_update, (nettle_hash_digest_func *)hmac_sha256_digest,
	    NOISE_HASH_LEN, 0, NULL, out_len, out);
	traffic_wipe(prk, sizeof prk);
	traffic_wipe(&hmac, sizeof hmac);
}

static void
mix_hash(struct noise *s, const uint8_t *data, size_t len)
{
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, NOISE_HASH_LEN, s->h);
	sha256_update(&sha, len, data);
	sha256_digest(&sha, NOISE_HASH_LEN, s->h);
}

static void
mix_key(struct noise *s, const uint8_t *input)
{
	uint8_t out[2 * NOISE_HASH_LEN];

	noise_hkdf(s->ck, input, NOISE_KEY_LEN, out, sizeof out);
	memcpy(s->ck, out, NOISE_HASH_LEN);
	memcpy(s->k, out + NOISE_HASH_LEN, NOISE_KEY_LEN);
	s->n = 0;
	traffic_wipe(out, sizeof out);
}

static void
mix_key_and_hash(struct noise *s, const uint8_t psk[NOISE_KEY_LEN])
{
	uint8_t out[3 * NOISE_HASH_LEN];

	noise_hkdf(s->ck, psk, NOISE_KEY_LEN, out, sizeof out);
	memcpy(s->ck, out, NOISE_HASH_LEN);
	mix_hash(s, out + NOISE_HASH_LEN, NOISE_HASH_LEN);
	memcpy(s->k, out + 2 * NOISE_HASH_LEN, NOISE_KEY_LEN);
	s->n = 0;
	traffic_wipe(out, sizeof out);
}

void
noise_init(struct noise *s, const uint8_t *prologue, size_t prologue_len)
{
	struct sha256_ctx sha;

	memset(s, 0, sizeof *s);
	/* The name has more than 32 bytes, so h is its hash (section 5.2). */
	sha256_init(&sha);
	sha256_update(&sha, sizeof noise_name - 1, (const uint8_t *)noise_name);
	sha256_digest(&sha, NOISE_HASH_LEN, s->h);
	memcpy(s->ck, s->h, NOISE_HASH_LEN);
	mix_hash(s, prologue, prologue_len);
}

/* Token e in a handshake with a psk: section 9.2 adds MixKey to MixHash. */
static void
mix_ephemeral(struct noise *s, const uint8_t public_key[NOISE_KEY_LEN])
{
	mix_hash(s, public_key, NOISE_KEY_LEN);
	mix_key(s, public_key);
}

void
noise_first(struct noise *s, const uint8_t psk[NOISE_KEY_LEN], const uint8_t client_public[NOISE_KEY_LEN])
{
	mix_key_and_hash(s, psk);
	mix_ephemeral(s, client_public);
}

int
noise_second(struct noise *s, const uint8_t secret[NOISE_KEY_LEN], const uint8_t peer[NOISE_KEY_LEN],
    const uint8_t server_public[NOISE_KEY_LEN])
{
	static const uint8_t zero[NOISE_KEY_LEN];
	uint8_t shared[NOISE_KEY_LEN];
	int ret = 0;

	curve25519_mul(shared, secret, peer);
	if (memeql_sec(shared, zero, sizeof zero)) {
		ret = KCPSHIM_E_AUTH;
	} else {
		mix_ephemeral(s, server_public);
		mix_key(s, shared);
	}
	traffic_wipe(shared, sizeof shared);
	return ret;
}

static void
cipher_start(struct chacha_poly1305_ctx *c, const struct noise *s)
{
	uint8_t nonce[CHACHA_POLY1305_NONCE_SIZE] = { 0 };

	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(s->n >> (8 * i));
	chacha_poly1305_set_key(c, s->k);
	chacha_poly1305_set_nonce(c, nonce);
	chacha_poly1305_update(c, NOISE_HASH_LEN, s->h);
}

void
noise_seal(struct noise *s, uint8_t *out, const uint8_t *in, size_t len)
{
	struct chacha_poly1305_ctx c;

	cipher_start(&c, s);
	chacha_poly1305_encrypt(&c, len, out, in);
	chacha_poly1305_digest(&c, NOISE_TAG_LEN, out + len);
	mix_hash(s, out, len + NOISE_TAG_LEN);
	s->n++;
	traffic_wipe(&c, sizeof c);
}

int
noise_open(struct noise *s, uint8_t *out, const uint8_t *in, size_t len)
{
	struct chacha_poly1305_ctx c;
	uint8_t tag[NOISE_TAG_LEN];
	int ret = 0;

	if (len < NOISE_TAG_LEN)
		return KCPSHIM_E_SHORT;
	len -= NOISE_TAG_LEN;
	cipher_start(&c, s);
	chacha_poly1305_decrypt(&c, len, out, in);
	chacha_poly1305_digest(&c, NOISE_TAG_LEN, tag);
	if (memeql_sec(tag, in + len, NOISE_TAG_LEN)) {
		mix_hash(s, in, len + NOISE_TAG_LEN);
		s->n++;
	} else {
		memset(out, 0, len);
		ret = KCPSHIM_E_AUTH;
	}
	traffic_wipe(&c, sizeof c);
	return ret;
}

void
noise_split(struct noise *s, uint8_t client[NOISE_KEY_LEN], uint8_t server[NOISE_KEY_LEN])
{
	uint8_t out[2 * NOISE_KEY_LEN];

	noise_hkdf(s->ck, NULL, 0, out, sizeof out);
	memcpy(client, out, NOISE_KEY_LEN);
	memcpy(server, out + NOISE_KEY_LEN, NOISE_KEY_LEN);
	traffic_wipe(out, sizeof out);
	traffic_wipe(s, sizeof *s);
}

void
noise_export(const struct noise *s, const char *label, uint8_t *out, size_t len)
{
	traffic_expand(s->ck, label, strlen(label), out, len);
}
