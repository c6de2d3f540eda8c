/* handshake: whole INIT, RETRY and ACCEPT datagrams of version 1, Noise_NNpsk0_25519_ChaChaPoly_SHA256.
 *
 * Client:  handshake_init_write -> INIT;  (RETRY -> handshake_retry_read, send INIT again)*;  ACCEPT -> handshake_accept_read.
 * Server:  INIT -> handshake_init_read (symmetric work only, a few microseconds; what does not verify gets silence)
 *          -> flights_check, load, accept queue: either drop, or handshake_retry_write, or handshake_accept_write.
 * No clock, no randomness, no allocation of its own (curve25519 allocates scratch space through GMP).
 * The caller wipes struct handshake with handshake_wipe() when it is done or gives up.
 */
#ifndef KCPSHIM_HANDSHAKE_H
#define KCPSHIM_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cookie.h"
#include "keys.h"
#include "noise.h"
#include "params.h"
#include "traffic.h"

#define HANDSHAKE_VERSION 1u
#define HANDSHAKE_KIND_INIT 0xc0u
#define HANDSHAKE_KIND_ACCEPT 0xc1u
#define HANDSHAKE_KIND_RETRY 0xc2u
#define HANDSHAKE_INIT_HEADER 72u    /* up to the parameters; the ephemeral key ends here */
#define HANDSHAKE_ACCEPT_HEADER 44u
#define HANDSHAKE_INIT_LEN (HANDSHAKE_INIT_HEADER + PARAMS_LEN + 16u)     /* 152, as written */
#define HANDSHAKE_ACCEPT_LEN (HANDSHAKE_ACCEPT_HEADER + PARAMS_LEN + 16u) /* 124, as written */
#define HANDSHAKE_RETRY_LEN 52u
#define HANDSHAKE_RETRY_NONCE 12u

/* Both directions of the session. Wiped by whoever made seals from it (traffic_wipe), except what it keeps for renewal. */
struct handshake_keys {
	uint8_t suite;               /* enum seal_suite */
	bool authenticated;          /* a pre-shared key was mixed in and proven by the peer (server: by its INIT) */
	struct traffic_keys tx, rx;
};

/* One handshake, in storage of the caller. Fields are for reading; only these functions write them. */
struct handshake {
	struct noise noise;
	uint8_t secret[32];          /* client: ephemeral secret; server: unused */
	uint8_t ephemeral[32];       /* client's ephemeral public key */
	uint8_t cookie[COOKIE_LEN];  /* server: as received; client: as to be sent; zero: none */
	uint32_t cid;                /* client's connection id */
	bool authenticated;          /* a pre-shared key is mixed in */
	uint32_t offered;            /* client: bit 1u << suite of every AEAD it offered */
	char key_name[KEYS_NAME_LEN];/* its name in this side's key file; "" without */
	uint8_t init[HANDSHAKE_INIT_LEN]; /* client: the datagram, ready to be sent (again) */
};

/* Whether a datagram is an INIT of version 1, long enough to be read, with a cid that is not 0. Cheap; for demultiplexing. */
bool handshake_is_init(const uint8_t *d, size_t len);
/* The ephemeral key of a datagram that handshake_is_init() accepted: names a retransmission of an INIT. Points into d. */
const uint8_t *handshake_init_ephemeral(const uint8_t *d);

/* Client: starts a handshake and makes hs->init, to be sent as it is until an answer comes. `key`: NULL: unauthenticated.
 * `secret`: 32 fresh random bytes. `cid`: ours, not 0. params: time, rcv_wnd, mtu and suites are sent. */
void handshake_init_write(struct handshake *hs, uint32_t cid, const struct key *key, const uint8_t secret[32],
    const struct handshake_params *params);

/* Server: opens an INIT with the key that it names (keys NULL or empty: only unauthenticated ones; otherwise only ones with
 * a key of the set). On success hs is ready for a RETRY or an ACCEPT, hs->cookie is what it carried. Errors, all to be met
 * with silence: KCPSHIM_E_SHORT, _FORMAT (kind, reserved bytes, parameters), _VERSION, _UNKNOWN (no such key), _AUTH. */
int handshake_init_read(struct handshake *hs, const struct session_keys *keys, const uint8_t *d, size_t len,
    struct handshake_params *params);

/* Server: writes a RETRY that carries `cookie` and that only the sender of the INIT can read. `nonce`: fresh random bytes.
 * hs can still be used for an ACCEPT. Returns HANDSHAKE_RETRY_LEN. */
size_t handshake_retry_write(const struct handshake *hs, const uint8_t cookie[COOKIE_LEN],
    const uint8_t nonce[HANDSHAKE_RETRY_NONCE], uint8_t out[HANDSHAKE_RETRY_LEN]);
/* Client: takes the cookie of a RETRY into hs->init. Errors leave hs as it was: _SHORT, _FORMAT, _VERSION, _AUTH. */
int handshake_retry_read(struct handshake *hs, const uint8_t *d, size_t len);

/* Server: writes the ACCEPT and derives the keys; hs is wiped. `secret`: 32 fresh random bytes. `cid`: the server's, not 0.
 * params: rcv_wnd, mtu and the one suite chosen. Costs two curve25519 multiplications.
 * Returns HANDSHAKE_ACCEPT_LEN, or KCPSHIM_E_AUTH (the client's key has low order), _RANGE (suite). */
int handshake_accept_write(struct handshake *hs, uint32_t cid, const uint8_t secret[32],
    const struct handshake_params *params, uint8_t out[HANDSHAKE_ACCEPT_LEN], struct handshake_keys *keys);
/* Client: opens an ACCEPT, fills params (cid: the server's) and keys. On success hs is wiped; on error hs stays as it was, so
 * that a forged ACCEPT costs nothing but time: _SHORT, _FORMAT, _VERSION, _AUTH (also: a suite that was not offered). */
int handshake_accept_read(struct handshake *hs, const uint8_t *d, size_t len,
    struct handshake_params *params, struct handshake_keys *keys);

void handshake_wipe(struct handshake *hs);
void handshake_keys_wipe(struct handshake_keys *);

#endif
