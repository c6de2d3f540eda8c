/* cookie: proof, without state, that a client receives at the address it sends from (kcpshim-wire(7), RETRY). */
#ifndef KCPSHIM_COOKIE_H
#define KCPSHIM_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netaddr.h"

#define COOKIE_LEN 16u
#define COOKIE_SECRET_LEN 32u
#define COOKIE_ROTATE_US (UINT64_C(120) * 1000000)

/* The server's secrets. A cookie is good while the secret it was made with is the present one or the one before: for 120 s
 * at least and 240 s at most. */
struct cookie_jar {
	uint8_t secret[2][COOKIE_SECRET_LEN]; /* [0] present, [1] the one before */
	uint64_t rotated_at;                  /* us; when [0] was made */
	bool has_previous;
};

/* `random`: fresh bytes. `now`: us, monotonic. */
void cookie_jar_init(struct cookie_jar *, const uint8_t random[COOKIE_SECRET_LEN], uint64_t now);
/* When cookie_jar_rotate() is due: to be asked before a cookie is made or checked. */
bool cookie_jar_due(const struct cookie_jar *, uint64_t now);
/* New secret; a previous one older than two periods is not kept. */
void cookie_jar_rotate(struct cookie_jar *, const uint8_t random[COOKIE_SECRET_LEN], uint64_t now);
void cookie_jar_wipe(struct cookie_jar *);

/* The cookie of a client at `remote` whose INIT carried `ephemeral` (bytes 40 to 71, whatever the version).
 * = first 16 bytes of HMAC-SHA256(secret, family, ip, port, ephemeral). */
void cookie_make(const struct cookie_jar *, const struct netaddr *remote, const uint8_t ephemeral[32], uint8_t out[COOKIE_LEN]);
/* Constant-time; false for the zero cookie. */
bool cookie_valid(const struct cookie_jar *, const struct netaddr *remote, const uint8_t ephemeral[32],
    const uint8_t cookie[COOKIE_LEN]);

#endif
