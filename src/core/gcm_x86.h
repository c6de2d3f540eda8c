/* gcm_x86: AES-256-GCM with the instructions that x86 processors have for it (NIST SP 800-38D). */
#ifndef KCPSHIM_GCM_X86_H
#define KCPSHIM_GCM_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GCM_X86_KEY_LEN 32u
#define GCM_X86_NONCE_LEN 12u
#define GCM_X86_TAG_LEN 16u
#define GCM_X86_POWERS 16u

/* Expanded key. Nothing in it has to be aligned. */
struct gcm_x86 {
	uint8_t round_keys[15][16];
	uint8_t powers[GCM_X86_POWERS][16]; /* of the hash key, highest first, in POLYVAL's field (RFC 8452, appendix A) */
};

/* What the processor and the system can do; where GCM_X86_NONE, nothing below may be called. */
enum gcm_x86_level {
	GCM_X86_NONE,
	GCM_X86_SSE,        /* AES-NI and PCLMULQDQ, 128 bits wide */
	GCM_X86_AVX2,       /* VAES and VPCLMULQDQ, 256 bits wide */
};

enum gcm_x86_level gcm_x86_level(void);
void gcm_x86_set_key(struct gcm_x86 *, const uint8_t key[GCM_X86_KEY_LEN]);
/* In place. `level`: at most what gcm_x86_level() says. */
void gcm_x86_encrypt(const struct gcm_x86 *, enum gcm_x86_level level, const uint8_t nonce[GCM_X86_NONCE_LEN],
    const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t tag[GCM_X86_TAG_LEN]);
/* The same backwards; the caller compares the tag, in constant time, before it believes in a byte of buf. */
void gcm_x86_decrypt(const struct gcm_x86 *, enum gcm_x86_level level, const uint8_t nonce[GCM_X86_NONCE_LEN],
    const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t tag[GCM_X86_TAG_LEN]);

#endif
