/* session_impl: what a session consists of, for session*.c and endpoint*.c only.
 *
 * session_open: from the first flight to an open session, client.  session_accept: the same, server.
 * session_data: sealed datagrams in and out, frames.
 * session_seal: keys of a session.  session_roam: a client whose address changes.
 * session_reset: sessions that the server has forgotten.

 * session_pmtu: the largest datagram that the path carries.  session_ecn: the marks of its routers.
 * session_plain: opening and data of the plain wire.  session_live: keepalive, timeouts.  session_icmp: ICMP errors.
 * session_end: closing, lingering, reset.
 * session: the calls of session.h.
 */
#ifndef KCPSHIM_SESSION_IMPL_H
#define KCPSHIM_SESSION_IMPL_H

#include <sys/queue.h>

#include "handshake.h"
#include "hash.h"
#include "phase.h"
#include "pmtu.h"
#include "replay.h"
#include "reset_token.h"
#include "seal.h"
#include "session.h"
#include "session_ecn.h"
#include "session_fec.h"
#include "timer.h"
#include "unsealed.h"

struct endpoint;
struct listener;

#define SESSION_HEADER_LEN 9u              /* connection id, kind, packet number */
#define SESSION_KIND_DATA 0xc4u            /* lowest bit: key phase */
#define SESSION_DATAGRAM_MAX 65507u
#define SESSION_MTU_MIN 100u               /* UDP payload bytes of one datagram */
#define SESSION_MTU_MAX 65000u
#define SESSION_INIT_RETRY_US UINT64_C(250000)
#define SESSION_INIT_RETRY_MAX_US UINT64_C(4000000)
#define SESSION_CONNECT_TIMEOUT_US UINT64_C(127000000)
#define SESSION_HALF_OPEN_US UINT64_C(63000000)    /* Linux: tcp_synack_retries = 5 */
#define SESSION_HALF_OPEN_MAX_US UINT64_C(240000000)
#define SESSION_PROOF_US UINT64_C(1000000)         /* a half-open session this old may give way to another one */
#define SESSION_USER_TIMEOUT_US UINT64_C(600000000)
#define SESSION_IDLE_TIMEOUT_US UINT64_C(600000000)
#define SESSION_CLOSED_TIMEOUT_US UINT64_C(100000000) /* written data of a closed session without any answer */
#define SESSION_ORPHAN_US UINT64_C(60000000)       /* Linux: tcp_fin_timeout */
#define SESSION_LINGER_RTOS 8u
#define SESSION_LINGER_MIN_US UINT64_C(3000000)
#define SESSION_LINGER_MAX_US UINT64_C(10000000)
#define SESSION_DONE_US UINT64_C(1000)             /* a released session stays this long to send its last word */
#define SESSION_RST_US UINT64_C(3000000)           /* a session that was reset answers with RST this long */
#define SESSION_RETRIES 4u                         /* cookies that a client takes before it suspects a loop */
#define SESSION_RST_REPEATS 3u
#define SESSION_PROBES 3u                          /* refused in a row before an ICMP error is believed */
#define SESSION_RTT_GUESS_US UINT64_C(250000)      /* of a path that nothing is known about */

/* Frames of the session itself that wait to be sent, as bits. */
enum session_control {
	SESSION_CTL_PING = 1,
	SESSION_CTL_PONG = 2,
	SESSION_CTL_RST = 4,   /* RST with code SESSION_RST_ABORTED */
	SESSION_CTL_DONE = 8,  /* RST with code SESSION_RST_DONE */
	SESSION_CTL_CHALLENGE = 16, /* goes to roam->path */
	SESSION_CTL_RESPONSE = 32,
};

#define SESSION_OPENING_UNIT_US 64u

/* Codes of RST frames (kcpshim-wire(7)). */
enum session_rst {
	SESSION_RST_ABORTED = 0,
	SESSION_RST_DONE = 1,  /* both streams ended and were received whole: nothing has to be repeated any more */
};

/* What a session waits for; each has one deadline. */
enum session_clock {
	SESSION_CLOCK_OPEN,    /* CONNECTING: INIT again; ESTABLISHED client without an answer: proof again */
	SESSION_CLOCK_GIVEUP,  /* not open, or not confirmed, by then: ends */
	SESSION_CLOCK_KEEP,    /* keepalive */
	SESSION_CLOCK_USER,    /* unacknowledged data */
	SESSION_CLOCK_IDLE,    /* silence */
	SESSION_CLOCK_PROBE,   /* next probe after an ICMP error */
	SESSION_CLOCK_RST,     /* RST again */
	SESSION_CLOCK_REST,    /* keys have not been used for a while */
	SESSION_CLOCK_ROAM,    /* CHALLENGE again */
	SESSION_CLOCK_END,     /* lingering or orphaned for long enough */
	SESSION_CLOCK_COUNT
};

/* Needed only until the session is open. */
struct session_opening {
	struct session_config config;
	struct handshake_params peer;          /* what the other side asked for */
	uint64_t first_sent, interval;         /* us; client */
	uint64_t until;                        /* server: forgotten by then, however often the INIT comes again */
	uint8_t token[UNSEALED_TOKEN_LEN];     /* names the INIT */
	uint8_t retries;                       /* cookies taken so far */
	uint16_t len;
	uint8_t datagram[HANDSHAKE_INIT_LEN];  /* INIT or ACCEPT as sent */
	struct handshake handshake;            /* version 1, client */
};

/* Keys of both directions, version 1. */
struct session_phases {
	struct phase_tx tx;
	struct phase_rx rx;
};

/* What is being found out about the path. */
struct session_pmtu {
	struct pmtu search;
	uint64_t sent_at;              /* newest probe */
	uint64_t token;                /* of a probe: this plus its size; 0: none was sent since the size changed */
};

/* The address that a client may have moved to. */
struct session_roam {
	struct path path;
	uint64_t token;
	uint8_t tries;
};

struct session {
	struct endpoint *endpoint;
	struct hash_node by_cid, by_peer, by_path;
	TAILQ_ENTRY(session) all, due, ready;
	struct timer timer;
	uint64_t id;
	void *owner;
	uint32_t cid, peer_cid;
	uint32_t listener;
	uint16_t mtu;                  /* bytes of a full datagram */
	uint16_t mtu_max;              /* as configured, and allowed by the peer */
	struct path path;
	struct netaddr peer;

	uint8_t state;                 /* enum session_state */
	uint8_t events;                /* enum session_event, not yet taken */
	uint8_t control;               /* enum session_control */
	uint8_t suite;                 /* enum seal_suite */
	uint8_t burst;                 /* datagrams sent since it came to the head of the due list */
	uint8_t rst_left;              /* repetitions of RST still to come */
	uint8_t keep_sent;             /* keepalive probes without an answer */
	uint8_t probes, refused;       /* after an ICMP error: probes sent, and how many of them were refused */
	bool in_due : 1, in_ready : 1;
	bool visible : 1;              /* the engine knows it: it was made by connect, or proven */
	bool dead : 1;                 /* to be freed by endpoint_reap */
	bool released : 1;             /* the engine gave it back; only a RST keeps it */
	bool plain : 1;
	bool jumbo : 1;                /* mtu_max is a hope: SESSION_MTU_JUMBO */
	bool send_hello : 1;           /* opening->datagram is to be sent now */
	bool unconfirmed : 1;          /* client: no datagram from the server since its ACCEPT (plain: ever) */
	bool rst_sent : 1;             /* ended with RST: what the peer still sends is answered with another */
	bool sent_fin : 1, got_fin : 1;
	bool authenticated : 1;        /* a pre-shared key was proven */
	bool peer_done : 1;            /* the peer has everything and needs no answer */
	bool closed : 1;               /* session_close: nobody reads any more */
	bool want_write : 1;           /* the writer found no room */
	bool fec_sends : 1;            /* what it sends is protected, or may be */
	bool ecn_on : 1;               /* both sides want it */
	bool undrained : 1;            /* something was written since SESSION_EV_DRAINED */
	int16_t error;
	uint16_t keep_count;
	uint32_t retry;                /* us; present interval of proofs or of RSTs */

	struct session_opening *opening;
	struct seal *tx, *rx;          /* version 0 and plain: one and the same */
	struct session_phases *phases; /* version 1; else NULL */
	struct session_roam *roam;     /* NULL: the peer is where it was */
	struct kcp *kcp;
	struct session_fec *fec;
	uint64_t tx_pn;
	struct replay replay;
	struct reset_token reset;      /* client; id 0: the server gave none */
	uint16_t ping_phase;           /* key phase in which ping_token was made, low 16 bits */
	uint16_t opening_rtt;          /* SESSION_OPENING_UNIT_US; 0: unknown */
	size_t ready_seen;             /* readable bytes when the reader was last told */
	uint64_t ping_token, pong_token, response_token;
	uint64_t ping_at;              /* when ping_token was made */
	struct session_pmtu *pmtu;     /* NULL: nothing was asked about the path */
	struct ecn *ecn;               /* NULL: no mark was sent or seen */

	uint64_t clocks[SESSION_CLOCK_COUNT];
	uint64_t opened_at, received_at;       /* opened_at: ACCEPTING: when the INIT came; received_at: newest datagram that verified */
	uint64_t sealed_at;                    /* newest use of a key */
	uint32_t icmp_at, icmp_pn;             /* the present series of probes: when it began, us, and its first packet number; low bits */
	uint64_t linger_max;                   /* LINGERING: CLOSED by then, whatever the peer repeats */
	uint64_t user_timeout, idle_timeout, keep_idle, keep_interval;

	uint64_t datagrams_sent, datagrams_received, wire_bytes_sent, wire_bytes_received, dropped;
};

/* --- session_open.c --- */
/* Makes the first flight of a client. 0 or KCPSHIM_E_NOMEM. */
int session_connect(struct session *, const struct session_config *, uint64_t now);
/* An INIT for `listener`. 0 (also: answered with RETRY), or why it was dropped. */
int session_input_init(struct endpoint *, struct listener *, const struct path *, const uint8_t *d, size_t len, uint64_t now);
/* An ACCEPT for `s`. */
int session_input_accept(struct session *, const uint8_t *d, size_t len, uint64_t now);
/* A RETRY for `s`. */
int session_input_retry(struct session *, const uint8_t *d, size_t len, uint64_t now);
/* ACCEPTING -> ESTABLISHED: the client's first datagram verified. */
int session_prove(struct session *, uint64_t now);
int session_opening_new(struct session *, const struct session_config *);
void session_opening_free(struct session *);
/* Version 1 of the handshake is asked for. */
bool session_config_sealed(const struct session_config *);
/* What both sides say about themselves. */
void session_offer(const struct session_config *, struct handshake_params *);
/* Makes the ARQ, once the seals are there. */
int session_open_kcp(struct session *, uint64_t now);
size_t session_output_hello(struct session *, uint8_t *buf, size_t cap, uint64_t now);

/* Takes over what stays in force after the opening: timeouts. */
void session_apply_config(struct session *, const struct session_config *);
uint64_t session_connect_timeout(const struct session_config *);
/* Both ends: everything agreed upon is in place, the stream can start. */
void session_established(struct session *, uint64_t now);

/* --- session_plain.c --- */
/* What protects the datagrams of a plain rule; NULL: no memory, or the rule lacks its key or plugin. */
struct seal *session_plain_seal(struct mem *, const struct session_config *);
int session_connect_plain(struct session *, const struct session_config *, uint64_t now);
/* A datagram, opened, of a conv that is not known at `path`; `old`: the server's session there, or NULL. `wire_len`: as received. */
int session_accept_plain(struct endpoint *, struct listener *, struct session *old, const struct path *path,
    const uint8_t *plain, size_t len, size_t wire_len, uint64_t now);
/* A datagram, opened, of this session's conv. */
int session_input_plain(struct session *, const uint8_t *plain, size_t len, size_t wire_len, uint64_t now);
/* As session_seal_begin(), session_seal_finish(). */
uint8_t *session_plain_begin(const struct session *, uint8_t *buf, size_t cap, size_t *room);
size_t session_plain_finish(struct session *, uint8_t *buf, size_t len, uint64_t now);
void session_input_plain_fec(struct session *, const uint8_t *d, size_t len, uint64_t now);
size_t session_output_plain(struct session *, uint8_t *buf, size_t cap, uint64_t now);
/* A closed session goes on until everything is delivered. */
void session_progress_plain(struct session *, uint64_t now);

/* --- session_data.c --- */
/* A DATA datagram that came over `path`. */
int session_input_data(struct session *, const struct path *path, uint8_t *d, size_t len, uint64_t now);
/* *path is where it has to go. */
size_t session_output_data(struct session *, struct path *path, uint8_t *buf, size_t cap, uint64_t now);
/* After anything that kcp was given: events, end of the session. */
void session_progress(struct session *, uint64_t now);

/* --- session_seal.c --- */
/* Version 0 / version 1 with these keys (copied): 0 or KCPSHIM_E_NOMEM. */
int session_seal_unsealed(struct session *);
int session_seal_keys(struct session *, const struct handshake_keys *, uint64_t now);
void session_seal_free(struct session *);
/* There is something to seal and open with. */
bool session_sealed(const struct session *);
/* Plaintext bytes that fit a datagram. */
size_t session_seal_room(const struct session *, size_t datagram);
/* Where the plaintext of a datagram in buf[0..cap) goes, and how much of it there is room for. */
uint8_t *session_seal_begin(struct session *, uint8_t *buf, size_t cap, size_t *room, uint64_t now);
/* Header and seal around `len` bytes of plaintext; the datagram's length, 0 when it cannot be sealed. */
size_t session_seal_finish(struct session *, uint8_t *buf, size_t len, uint64_t now);
/* As seal_open(), for a whole datagram of at least SESSION_HEADER_LEN bytes. */
int session_seal_open(struct session *, uint64_t pn, uint8_t *d, size_t len, uint8_t **plain, uint64_t now);
/* A key was used; once it has not been for a while, memory is given back. */
void session_seal_used(struct session *, uint64_t now);
void session_seal_rest(struct session *, uint64_t now);

/* --- session_roam.c --- */
/* A datagram verified that came over `path`; `newest`: no later one came before. */
void session_roam_seen(struct session *, const struct path *path, bool newest, uint64_t now);
void session_roam_challenge(struct session *, uint64_t now);
void session_roam_response(struct session *, const struct path *path, uint64_t token, uint64_t now);
void session_roam_free(struct session *);

/* --- session_reset.c --- */
/* A connection id for a session of a listener with this config; it may be 0 or in use. */
uint32_t session_reset_cid(struct endpoint *, const struct session_config *);
/* Server: what the client has to know to believe a RESET. */
void session_reset_offer(const struct session *, const struct session_config *, struct handshake_params *answer);
/* Client: the same, from the ACCEPT. */
void session_reset_learn(struct session *, const struct handshake_params *answer);
/* DATA of no session came to a listener: perhaps it is answered. KCPSHIM_E_UNKNOWN. */
int session_reset_answer(struct endpoint *, struct listener *, const struct path *, const uint8_t *d, size_t len, uint64_t now);
/* DATA of no session: 0 when it was a RESET for one, else why not. */
int session_reset_input(struct endpoint *, const struct path *, const uint8_t *d, size_t len, uint64_t now);

/* --- session_pmtu.c --- */
/* The datagram's size to start with; `peer`: the largest that it accepts, 0: unknown. */
void session_pmtu_start(struct session *, uint32_t configured, uint32_t peer);
/* Nothing that is known about the path's MTU holds any more. */
void session_pmtu_restart(struct session *, uint64_t now);
void session_pmtu_free(struct session *);
/* When session_pmtu_output() has to be called; TIMER_NEVER. */
uint64_t session_pmtu_deadline(const struct session *);
/* The next probe into buf; its length, 0: none is due. */
size_t session_pmtu_output(struct session *, uint8_t *buf, size_t cap, uint64_t now);
/* A datagram of the stream with `len` bytes was made. */
void session_pmtu_sent(struct session *, size_t len, uint64_t now);
/* PONG, WINS (plain): perhaps the answer to a probe. */
void session_pmtu_pong(struct session *, uint64_t token, uint64_t now);
void session_pmtu_wins(struct session *, uint64_t now);
/* As endpoint_path_mtu(), endpoint_too_big(). */
void session_pmtu_hint(struct session *, size_t payload, uint64_t now);
void session_pmtu_refused(struct session *, size_t size, size_t fits, uint64_t now);

/* --- session_live.c --- */
void session_run_clocks(struct session *, uint64_t now);
/* A datagram of the peer verified. */
void session_alive(struct session *, uint64_t now);
/* Arms keepalive and user timeout as far as they are needed. */
void session_arm_user(struct session *, uint64_t now);
void session_arm_keepalive(struct session *, uint64_t now);
/* The smoothed RTT plus its variation, or a guess before there is one; us. */
uint64_t session_rtt(const struct session *);
/* The opening took so long from what was sent to what answered it, us. */
void session_note_opening(struct session *, uint64_t rtt);

/* --- session_icmp.c --- */
/* An ICMP error for what was sent over the session's path; `quote`: as for endpoint_icmp(). */
void session_icmp(struct session *, int error, const uint8_t *quote, size_t len, uint64_t now);
/* The clock: asks the peer once more, or gives it up. */
void session_icmp_probe(struct session *, uint64_t now);
/* The peer lives, or is somewhere else: what came so far proves nothing any more. */
void session_icmp_forget(struct session *);

/* --- session.c --- */
void session_event(struct session *, unsigned events);
void session_ping(struct session *, uint64_t now);
/* Ends it with `error`; the peer is told with RST when `rst`. */
void session_end(struct session *, int error, bool rst, uint64_t now);
void session_linger(struct session *, uint64_t now);
/* The peer still repeats itself: lingers on. */
void session_linger_on(struct session *, uint64_t now);
/* Both directions are over and acknowledged: lingers, or ends if the peer needs no answers. */
void session_check_finished(struct session *, uint64_t now);
/* The stream still has something to say or to hear. */
bool session_streaming(const struct session *);
uint64_t session_deadline(const struct session *);
size_t session_output(struct session *, struct path *path, uint8_t *buf, size_t cap, uint64_t now);

#endif
