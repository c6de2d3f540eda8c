/* seal_aead: AES-256-GCM and ChaCha20-Poly1305 for session datagrams. */
#ifndef KCPSHIM_SEAL_AEAD_H
#define KCPSHIM_SEAL_AEAD_H

#include <stdint.h>

#include "seal.h"

#define SEAL_AEAD_TAG_LEN 16u

/* One direction of SEAL_AES_256_GCM or SEAL_CHACHA20_POLY1305; what depends on the key alone is computed once, when
 * first needed.
 * nonce = iv XOR packet number, big-endian, right-aligned (RFC 8446 5.3); the tag follows the ciphertext.
 * NULL: no memory, or another suite. seal_free() wipes and frees it. */
struct seal *seal_aead_new(struct mem *, enum seal_suite, const uint8_t key[SEAL_KEY_LEN], const uint8_t iv[SEAL_IV_LEN]);

/* The AEAD suites this machine should offer, best first: AES-256-GCM leads only where AES and carry-less multiplication
 * are instructions. Returns how many were written (always 2). Reads the processor's feature bits, nothing else. */
int seal_aead_suites(uint8_t suites[2]);

#endif
