/* endpoint_impl: the endpoint's tables and queues, for endpoint*.c and session*.c only. */
#ifndef KCPSHIM_ENDPOINT_IMPL_H
#define KCPSHIM_ENDPOINT_IMPL_H

#include <sys/queue.h>

#include "admission.h"
#include "budget.h"
#include "endpoint.h"
#include "hash.h"
#include "random.h"
#include "reset_token.h"
#include "session_impl.h"
#include "timer.h"

#define ENDPOINT_BURST 16u        /* datagrams of one session in a row; lets the engine use UDP_SEGMENT */
#define ENDPOINT_HALF_OPEN 1024u  /* unproven sessions of one listener */
#define ENDPOINT_POSTS 64u        /* RETRYs that wait to be sent */

TAILQ_HEAD(session_list, session);

struct listener {
	TAILQ_ENTRY(listener) link;
	uint32_t handle, sock;
	uint32_t room;          /* accept queue */
	uint32_t nhalf_open;
	struct session_list half_open; /* oldest first, by the link of `ready` */
	struct budget handshakes;
	struct seal *seal;      /* plain: opens what no session is known for; else NULL */
	struct session_config config;
};

/* A datagram of no session. */
struct post {
	struct path path;
	uint8_t len;
	uint8_t data[HANDSHAKE_RETRY_LEN];
};

TAILQ_HEAD(listener_list, listener);

struct endpoint {
	struct mem *mem;
	struct random random;
	uint32_t hash_seed;
	uint32_t next_listener;
	uint64_t next_session;
	uint64_t clock_offset;  /* wall clock - monotonic, ns; 0: unknown */
	uint64_t started;       /* wall clock when it was first told, ns */
	struct admission admission;
	uint8_t reset_secret[RESET_SECRET_LEN];
	struct budget resets;
	struct post *posts;     /* ring of ENDPOINT_POSTS; NULL without a listener */
	uint32_t post_head, post_count;
	struct timer_wheel wheel;
	struct hash by_cid, by_peer, by_path;
	bool fragment;          /* endpoint_fragment() */
	bool alone;             /* endpoint_alone() */
	uint8_t mark_in, mark_out; /* enum ecn_mark: endpoint_set_mark(), endpoint_mark() */
	uint32_t nplain;        /* plain sessions and listeners: none, and no datagram is looked at for them */
	struct session_list all, due, ready;
	struct session_list dead;  /* by the link of `due` */
	struct listener_list listeners;
};

/* The session that a table's node or a timer is part of. */
#define session_of(node, member) ((struct session *)(void *)((char *)(node) - offsetof(struct session, member)))

/* Tables by address: `salt` is 0, or the peer's connection id or conv. */
uint32_t endpoint_path_hash(const struct endpoint *, const struct path *, uint32_t salt);
bool endpoint_same_peer(const struct session *, const struct path *);
/* The listener of a socket, or NULL. */
struct listener *endpoint_listener_of(struct endpoint *, uint32_t sock);
/* Frees what was buried. */
void endpoint_reap(struct endpoint *);
/* A session in no state yet, in the tables by id and path; NULL without memory. `l`: its listener, NULL: a client. */
struct session *endpoint_add(struct endpoint *, const struct listener *l, const struct path *, uint64_t now);
/* Puts it into the table by (address, the peer's connection id or conv; a sealed client: its reset id). */
void endpoint_index_peer(struct session *);
struct session *endpoint_find_cid(struct endpoint *, uint32_t cid);
struct session *endpoint_find_peer(struct endpoint *, const struct path *, uint32_t peer_cid);
/* The client's session with that server and reset id, or NULL. */
struct session *endpoint_find_reset(struct endpoint *, const struct path *, uint32_t reset_id);
struct listener *endpoint_listener(struct endpoint *, uint32_t handle);
/* endpoint_output has to look at it. */
void endpoint_mark_due(struct session *);
void endpoint_mark_ready(struct session *);
/* To be freed when the present call into the endpoint ends. */
void endpoint_bury(struct session *);
/* Puts it among the half-open sessions of its listener / takes it off. */
void endpoint_half_open(struct session *, struct listener *);
void endpoint_half_open_done(struct session *);
/* Moves it to another path. */
void endpoint_set_path(struct session *, const struct path *);

/* Wall clock, ns since 1970. */
uint64_t endpoint_wall(const struct endpoint *, uint64_t now);
/* Queues a datagram of no session, as listeners answer; dropped when there is no room. */
void endpoint_post(struct endpoint *, const struct path *, const uint8_t *data, size_t len);

#endif
