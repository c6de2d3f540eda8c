/* endpoint: every session of one engine. Demultiplexes datagrams, answers "what is due now" and "when next".
 *
 * Deterministic: same inputs, times and random seed give the same datagrams (contract C6).
 */
#ifndef KCPSHIM_ENDPOINT_H
#define KCPSHIM_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netaddr.h"
#include "session.h"

struct mem;
struct endpoint;

/* `seed`: 32 random bytes from which every id, ephemeral key and nonce is drawn (ChaCha20 stream). */
struct endpoint *endpoint_new(struct mem *, const uint8_t seed[32]);
/* Frees every session too. */
void endpoint_free(struct endpoint *);

/* What the wall clock shows at `now`, ns since 1970. First flights of sealed sessions carry it, so that a recorded one cannot
 * be used again; to be told at the start and whenever the two clocks may have drifted apart (hours). Without it servers ask
 * each client for one more round trip. */
void endpoint_set_time(struct endpoint *, uint64_t unix_ns, uint64_t now);

/* From what the server's RESETs are made when it has no pre-shared keys (kcpshim-wire(7), RESET): 32 bytes that its next run has
 * as well. Without this call they are random, and only this endpoint resets what it has forgotten. Before endpoint_listen(). */
void endpoint_set_reset_secret(struct endpoint *, const uint8_t secret[32]);

/* Server side: datagrams that arrive on `sock` may open sessions with this config. Returns a listener handle > 0,
 * or KCPSHIM_E_FULL when `sock` has one already, _NOMEM. `cfg` is copied. */
int endpoint_listen(struct endpoint *, uint32_t sock, const struct session_config *cfg);
/* How many more sessions the accept queue takes; at 0 first flights are dropped in silence (as TCP's SYN queue). */
void endpoint_listener_room(struct endpoint *, uint32_t listener, uint32_t room);
/* Others share its port from now on: datagrams of unknown sessions may be theirs and are not answered. */
void endpoint_listener_shared(struct endpoint *, uint32_t listener);
/* Resets the sessions of a listener that are not proven yet, as TCP does with its SYN queue: their clients may count themselves
 * connected, and a later listener on the port knows nothing of them. The datagrams are due at once. */
void endpoint_refuse(struct endpoint *, uint32_t listener, uint64_t now);
/* Stops opening sessions; those that exist go on. */
void endpoint_unlisten(struct endpoint *, uint32_t listener);

/* Client side: a new session in CONNECTING over `path`. NULL without memory. */
struct session *endpoint_connect(struct endpoint *, const struct path *, const struct session_config *cfg, uint64_t now);
/* Frees a session in any state without a word to the peer (call session_abort first to tell it, and let endpoint_output run). */
void endpoint_release(struct endpoint *, struct session *);
struct session *endpoint_find(struct endpoint *, uint64_t id);

/* A datagram arrived. `data` may be changed in place. Negative: it was dropped, and why (nothing else happened). */
int endpoint_input(struct endpoint *, const struct path *, uint8_t *data, size_t len, uint64_t now);
/* The ECN field of the IP packets whose datagrams are given to endpoint_input() from now on; ECN_NOT_ECT at first. */
void endpoint_set_mark(struct endpoint *, enum ecn_mark);
/* The kernel reported an ICMP error for a datagram sent over `path` (KCPSHIM_E_REFUSED, _HOSTUNREACH, _NETUNREACH), or refused to
 * send one (len 0). `quote`: what the message repeats of the datagram, from its first byte on. Hard only while connecting;
 * later a quote of what the session sent makes it ask its peer first, and anything else nothing, since ICMP can be forged. */
void endpoint_icmp(struct endpoint *, const struct path *, int error, const uint8_t *quote, size_t len, uint64_t now);
/* ICMP says that datagrams of no more than `payload` bytes pass there. An occasion to look, since that can be forged. */
void endpoint_path_mtu(struct endpoint *, const struct path *, size_t payload, uint64_t now);
/* The kernel refused to send a datagram of `size` bytes over `path`, because the device takes no more than `fits`; 0: unknown. */
void endpoint_too_big(struct endpoint *, const struct path *, size_t size, size_t fits, uint64_t now);

/* No datagram is larger, whatever is configured. */
#define ENDPOINT_DATAGRAM_MAX 9216u

/* Writes the next datagram that is due into buf[0..cap) (cap: the largest configured mtu, 1500 at least) and its path; returns its length, 0 when none is due. */
size_t endpoint_output(struct endpoint *, struct path *, uint8_t *buf, size_t cap, uint64_t now);
/* Whether IP may cut the datagram that endpoint_output() wrote last into fragments (no DF). */
bool endpoint_fragment(const struct endpoint *);
/* Whether the datagram that endpoint_output() wrote last may be refused for its size, and others should not be with it. */
bool endpoint_alone(const struct endpoint *);
/* The ECN field that the datagram which endpoint_output() wrote last is to be sent with: ECN_NOT_ECT or ECN_ECT0. */
enum ecn_mark endpoint_mark(const struct endpoint *);
/* Earliest time at which endpoint_output may have something; KCP_NEVER: only input can cause output. */
uint64_t endpoint_deadline(const struct endpoint *);
/* Next session with events to take, or NULL. Newly accepted ones appear with SESSION_EV_OPENED. */
struct session *endpoint_next_ready(struct endpoint *);

/* Iterates over all sessions: pass NULL first. */
struct session *endpoint_each(struct endpoint *, struct session *prev);

#endif
