/* traffic: the keys of one direction of a session, and their renewal (kcpshim-wire(7), DATA KEYS). */
#ifndef KCPSHIM_TRAFFIC_H
#define KCPSHIM_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include "seal.h"

#define TRAFFIC_SECRET_LEN 32u
/* A sender renews its key after this many datagrams at the latest. */
#define TRAFFIC_RENEW_DATAGRAMS (UINT64_C(1) << 22)

struct traffic_keys {
	uint8_t secret[TRAFFIC_SECRET_LEN]; /* only to derive; kept for traffic_renew() */
	uint8_t key[SEAL_KEY_LEN];
	uint8_t iv[SEAL_IV_LEN];
	uint8_t suite;                      /* enum seal_suite, an AEAD */
};

/* HKDF-Expand-SHA256(secret, label) (RFC 5869), `len` bytes, at most 255 * 32. */
void traffic_expand(const uint8_t secret[TRAFFIC_SECRET_LEN], const void *label, size_t label_len, uint8_t *out, size_t len);
/* key and iv of phase 0 from a secret of the handshake, with traffic_expand(). */
void traffic_derive(struct traffic_keys *, enum seal_suite, const uint8_t secret[TRAFFIC_SECRET_LEN]);
/* The next phase in place: secret, key and iv are replaced and the old ones are gone. Packet numbers go on counting. */
void traffic_renew(struct traffic_keys *);
/* Overwrites `len` bytes in a way the compiler keeps. For every key that leaves use. */
void traffic_wipe(void *, size_t len);

#endif
