/* reset_token: how a server without a session tells its client that it is gone (kcpshim-wire(7), RESET; RFC 9000 section 10.3).
 *
 * Nothing is kept: id and token follow from a secret and from the connection id in the datagram that is answered.
 */
#ifndef KCPSHIM_RESET_TOKEN_H
#define KCPSHIM_RESET_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netaddr.h"

#define RESET_SECRET_LEN 32u
#define RESET_ID_LEN 4u
#define RESET_TOKEN_LEN 16u
#define RESET_PARAM_LEN (RESET_ID_LEN + RESET_TOKEN_LEN)  /* as in the parameters of an ACCEPT */
#define RESET_FILLER_MIN 4u
#define RESET_HEADER_LEN 9u                               /* as of DATA */
#define RESET_LEN_MIN (RESET_HEADER_LEN + RESET_FILLER_MIN + RESET_TOKEN_LEN) /* 29 */
#define RESET_LEN_MAX 45u                                 /* a DATA datagram with an ACK */
#define RESET_RATE 200u                                   /* a second */

/* What one session's server and client know. */
struct reset_token {
	uint32_t id;                     /* connection id of the RESET */
	uint8_t token[RESET_TOKEN_LEN];
};

/* A server's connection id from random bits; 0 must be refused by the caller. */
uint32_t reset_token_cid(const uint8_t secret[RESET_SECRET_LEN], uint32_t random);
/* Whether a server with this secret can have given that id. Constant-time in the secret. */
bool reset_token_knows(const uint8_t secret[RESET_SECRET_LEN], uint32_t cid);
/* `local`: the server's address that the client sends to. */
void reset_token_make(const uint8_t secret[RESET_SECRET_LEN], const struct netaddr *local, uint32_t cid, struct reset_token *);
/* To and from the parameter of an ACCEPT. */
void reset_token_put(const struct reset_token *, uint8_t out[RESET_PARAM_LEN]);
void reset_token_get(struct reset_token *, const uint8_t in[RESET_PARAM_LEN]);

/* Length of the RESET that answers a DATA datagram of `len` bytes, always less than len; 0: none may be sent. */
size_t reset_token_answer_len(size_t len);
/* Writes reset_token_answer_len(len) bytes into `out`. `data`: what is answered. `filler`: RESET_LEN_MAX random bytes. */
void reset_token_answer(const struct reset_token *, const uint8_t *data, size_t len, const uint8_t filler[RESET_LEN_MAX],
    uint8_t out[RESET_LEN_MAX]);
/* Whether d[0..len) is the RESET of this token; its id was compared already. Constant-time. */
bool reset_token_matches(const struct reset_token *, const uint8_t *d, size_t len);

#endif
