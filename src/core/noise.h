/* noise: Noise_NNpsk0_25519_ChaChaPoly_SHA256, as in revision 34 of the Noise Protocol Framework, nothing added.
 *
 *	-> psk, e
 *	<- e, ee
 *
 * Payloads only; datagrams are handshake's. Secrets and ephemeral keys come from the caller.
 */
#ifndef KCPSHIM_NOISE_H
#define KCPSHIM_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_HASH_LEN 32u
#define NOISE_KEY_LEN 32u
#define NOISE_TAG_LEN 16u

/* SymmetricState and CipherState of section 5. */
struct noise {
	uint8_t ck[NOISE_HASH_LEN];  /* chaining key */
	uint8_t h[NOISE_HASH_LEN];   /* transcript hash */
	uint8_t k[NOISE_KEY_LEN];
	uint64_t n;                  /* next nonce under k */
};

/* The public key of a secret: X25519 (RFC 7748) with the base point. */
void noise_public(uint8_t out[NOISE_KEY_LEN], const uint8_t secret[NOISE_KEY_LEN]);

/* Initialize() of either side. */
void noise_init(struct noise *, const uint8_t *prologue, size_t prologue_len);
/* Tokens psk, e of message 1, on either side; then the payload is written with noise_seal() or read with noise_open(). */
void noise_first(struct noise *, const uint8_t psk[NOISE_KEY_LEN], const uint8_t client_public[NOISE_KEY_LEN]);
/* Tokens e, ee of message 2, on either side: `secret` is one's own, `peer` the other's public key, `server_public` the one in
 * the message. KCPSHIM_E_AUTH: the shared secret is zero (peer sent a point of low order). */
int noise_second(struct noise *, const uint8_t secret[NOISE_KEY_LEN], const uint8_t peer[NOISE_KEY_LEN],
    const uint8_t server_public[NOISE_KEY_LEN]);

/* EncryptAndHash: out gets len + NOISE_TAG_LEN bytes; in == out is allowed. */
void noise_seal(struct noise *, uint8_t *out, const uint8_t *in, size_t len);
/* DecryptAndHash: `len` with the tag; out gets len - NOISE_TAG_LEN bytes; in == out is not allowed.
 * KCPSHIM_E_SHORT, _AUTH: the state is as it was. */
int noise_open(struct noise *, uint8_t *out, const uint8_t *in, size_t len);
/* Split: the secrets of the two directions, and the state is wiped. */
void noise_split(struct noise *, uint8_t client[NOISE_KEY_LEN], uint8_t server[NOISE_KEY_LEN]);
/* `len` (at most 32) bytes of HKDF-Expand-SHA256(ck, label): keys beside the ones Noise makes, bound to the transcript so far
 * as ck is. */
void noise_export(const struct noise *, const char *label, uint8_t *out, size_t len);

#endif
