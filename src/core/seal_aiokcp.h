/* seal_aiokcp: the encryption of aiokcp, iv(16) || AES-256-CBC(PKCS#7) || HMAC-SHA256(iv || ciphertext). */
#ifndef KCPSHIM_SEAL_AIOKCP_H
#define KCPSHIM_SEAL_AIOKCP_H

#include <stddef.h>
#include <stdint.h>

#include "seal.h"

#define SEAL_AIOKCP_KEY_LEN 64u      /* signing key (32), encryption key (32) */
#define SEAL_AIOKCP_ITERATIONS 480000u

/* PBKDF2-HMAC-SHA256(key, salt, 480000 rounds) -> the 64 bytes that seal_aiokcp_new() takes. Takes a large part of a second:
 * once per key, never in a thread of the program. */
void seal_aiokcp_derive(uint8_t out[SEAL_AIOKCP_KEY_LEN], const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len);

/* Both directions. Packet numbers and aad are ignored: that wire has neither. seal_open returns KCPSHIM_E_SHORT for what is
 * too short to be one (64 bytes), _AUTH for everything else that aiokcp rejects. NULL without memory. */
struct seal *seal_aiokcp_new(struct mem *, const uint8_t key[SEAL_AIOKCP_KEY_LEN]);

#endif
