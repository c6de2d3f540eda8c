/* seal: protection of one datagram. Kinds: none (checksum), aead, aiokcp's AES-CBC+HMAC, a user's plugin.
 *
 * Sealing happens in place: the caller leaves seal_head() bytes before and seal_tail() bytes after the plaintext.
 * Packet numbers, replay windows and key phases belong to session; seal only knows keys and bytes.
 */
#ifndef KCPSHIM_SEAL_H
#define KCPSHIM_SEAL_H

#include <stddef.h>
#include <stdint.h>

struct mem;
struct seal;

enum seal_suite {
	SEAL_NONE = 0,               /* session mode, crypto=none: 4-byte CRC-32C over header and payload; no security */
	SEAL_AES_256_GCM = 1,        /* RFC 5116; nonce = iv XOR packet number as in RFC 8446 5.3 */
	SEAL_CHACHA20_POLY1305 = 2,  /* RFC 8439 */
	SEAL_PLAIN = 3,              /* plain mode without crypto: nothing added */
	SEAL_AIOKCP = 4,             /* iv(16) || AES-256-CBC || HMAC-SHA256 */
	SEAL_PLUGIN = 5,
};

#define SEAL_KEY_LEN 32u
#define SEAL_IV_LEN 12u
#define SEAL_TAIL_MAX 64u
#define SEAL_HEAD_MAX 64u

/* One direction of the suites NONE, AES_256_GCM, CHACHA20_POLY1305, PLAIN. key/iv are ignored for NONE and PLAIN.
 * NULL: no memory or unknown suite. seal_free wipes the key. */
struct seal *seal_new(struct mem *, enum seal_suite, const uint8_t key[SEAL_KEY_LEN], const uint8_t iv[SEAL_IV_LEN]);
void seal_free(struct mem *, struct seal *);

/* Bytes needed before / after the plaintext (the largest possible, padding included). */
size_t seal_head(const struct seal *);
size_t seal_tail(const struct seal *);
/* The largest plaintext whose sealed form has at most `datagram` bytes; 0 when none. */
size_t seal_room(const struct seal *, size_t datagram);

/* Seals buf[head .. head+len) in place; the sealed form starts at buf and its length is returned (< 0: KCPSHIM_E_*).
 * `aad`/`aad_len`: header bytes that are authenticated, not encrypted. `rnd`: 16 fresh random bytes (used by AIOKCP). */
int seal_protect(struct seal *, uint64_t pn, const uint8_t *aad, size_t aad_len,
    uint8_t *buf, size_t len, const uint8_t rnd[16]);
/* Opens buf[0 .. len) in place; *plain points into buf; returns the plaintext length, or KCPSHIM_E_AUTH/_SHORT with buf undefined. */
int seal_open(struct seal *, uint64_t pn, const uint8_t *aad, size_t aad_len,
    uint8_t *buf, size_t len, uint8_t **plain);

#endif
