/* unsealed: whole INIT, RETRY and ACCEPT datagrams of version 0, which a checksum protects and nothing else (kcpshim-wire(7)). */
#ifndef KCPSHIM_UNSEALED_H
#define KCPSHIM_UNSEALED_H

#include <stddef.h>
#include <stdint.h>

#include "cookie.h"
#include "params.h"

#define UNSEALED_VERSION 0u
#define UNSEALED_TOKEN_LEN 32u      /* random bytes in the place of an ephemeral key; they name the INIT */
#define UNSEALED_CRC_LEN 4u
#define UNSEALED_INIT_HEADER 72u
#define UNSEALED_ACCEPT_HEADER 44u
#define UNSEALED_RETRY_LEN 28u
#define UNSEALED_INIT_LEN (UNSEALED_INIT_HEADER + PARAMS_LEN + UNSEALED_CRC_LEN)     /* 140, as written */
#define UNSEALED_ACCEPT_LEN (UNSEALED_ACCEPT_HEADER + PARAMS_LEN + UNSEALED_CRC_LEN) /* 112, as written */

/* `cid`: the client's, not 0. */
void unsealed_init_write(uint8_t out[UNSEALED_INIT_LEN], uint32_t cid, const uint8_t token[UNSEALED_TOKEN_LEN],
    const struct handshake_params *);
/* Reads d[0..len), which starts as an INIT. *token points into d.
 * KCPSHIM_E_SHORT, _VERSION, _FORMAT (id 0, reserved bytes, parameters), _AUTH (checksum). */
int unsealed_init_read(const uint8_t *d, size_t len, uint32_t *cid, const uint8_t **token, struct handshake_params *);
/* `token` is that of the INIT. */
void unsealed_accept_write(uint8_t out[UNSEALED_ACCEPT_LEN], uint32_t client_cid, uint32_t server_cid,
    const uint8_t token[UNSEALED_TOKEN_LEN], const struct handshake_params *);
/* params->cid becomes the server's id. Errors as above; KCPSHIM_E_AUTH also when it does not answer `token`. */
int unsealed_accept_read(const uint8_t *d, size_t len, const uint8_t token[UNSEALED_TOKEN_LEN], struct handshake_params *);

/* Returns UNSEALED_RETRY_LEN. */
size_t unsealed_retry_write(uint8_t out[UNSEALED_RETRY_LEN], uint32_t client_cid, const uint8_t cookie[COOKIE_LEN]);
/* Takes the cookie of a RETRY into an INIT that unsealed_init_write() made. Errors leave it as it was. */
int unsealed_retry_read(const uint8_t *d, size_t len, uint8_t init[UNSEALED_INIT_LEN]);

#endif
