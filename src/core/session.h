/* session: composes handshake, seal, wire and kcp into "a TCP connection": open, data, half-close, reset, keepalive.
 *
 * Sessions are made by endpoint; the engine's relay drives them through this header. No upcalls:
 * what happened is read from session_take_events() after endpoint_next_ready() returned the session.
 */
#ifndef KCPSHIM_SESSION_H
#define KCPSHIM_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ecn.h"
#include "kcp.h"
#include "netaddr.h"

struct session;

enum session_state {
	SESSION_CONNECTING,   /* first flight sent (SYN_SENT) */
	SESSION_ACCEPTING,    /* answered, waiting for the client's proof (SYN_RECV) */
	SESSION_ESTABLISHED,  /* either direction may be ended: see sent_fin, got_fin */
	SESSION_LINGERING,    /* both directions over and acknowledged; only answers the peer's retransmissions */
	SESSION_CLOSED,       /* `error` says why; the engine frees it with endpoint_release() */
};

/* What the engine has to react to, as bits. */
enum session_event {
	SESSION_EV_OPENED = 1,    /* connect succeeded / the accepted session is proven */
	SESSION_EV_READABLE = 2,  /* bytes, or end of stream, became readable */
	SESSION_EV_WRITABLE = 4,  /* send room became available */
	SESSION_EV_DRAINED = 8,   /* all that was written is acknowledged */
	SESSION_EV_CLOSED = 16,   /* state is LINGERING or CLOSED: no byte moves any more */
};

#define SESSION_MTU_AUTO 0u
#define SESSION_MTU_JUMBO 1u /* the same, and jumbo frames where the host and the path turn out to have them */

struct session_config {
	bool plain;                  /* wire=plain */
	enum kcp_cc cc;
	struct kcp_config kcp;       /* codec, conv and mtu are set by the session */
	uint32_t mtu;                /* UDP payload bytes of the largest datagram; SESSION_MTU_AUTO, SESSION_MTU_JUMBO: as found to pass on this path */
	uint8_t crypto;              /* enum session_crypto */
	const struct session_keys *keys; /* borrowed, outlives the session; NULL: none */
	bool no_reset;               /* listener: others share its port, so that nothing of an unknown session may be answered */
	bool ecn;                    /* session wire: the marks of routers are asked for, and told to the peer */
	uint8_t fec;                 /* enum session_fec_mode */
	uint8_t fec_data, fec_parity; /* SESSION_FEC_FIXED: datagrams and parity of a group, see fec.h */
	bool open_empty_push;        /* plain: send an empty PUSH at connect */
	uint8_t lane, lanes;         /* listener: one of several that share its port, see lane.h; lanes 0: the only one */
	uint32_t handshakes;         /* listener: first flights a second beyond which it asks for a cookie before anything costly */
	uint64_t connect_timeout_us; /* 0: default 127 s, as Linux tcp_syn_retries=6 */
	uint64_t user_timeout_us;    /* unacknowledged data without any answer; 0: default 600 s */
	uint64_t idle_timeout_us;    /* silence that ends the session; 0: never (aiokcp: 600 s) */
	uint64_t keep_idle_us, keep_interval_us; /* keepalive; keep_idle_us == 0: off */
	uint32_t keep_count;         /* unanswered ones that end the session, or SESSION_KEEP_FOREVER */
};

/* Silence alone ends nothing: the peer is asked ever more rarely. What it sends, or an ICMP error, tells the rest. */
#define SESSION_KEEP_FOREVER UINT16_MAX

enum session_crypto { SESSION_CRYPTO_AUTO, SESSION_CRYPTO_NONE, SESSION_CRYPTO_AEAD, SESSION_CRYPTO_AES_CBC, SESSION_CRYPTO_PLUGIN };

enum session_fec_mode { SESSION_FEC_OFF, SESSION_FEC_AUTO, SESSION_FEC_FIXED };

void session_config_default(struct session_config *);

enum session_state session_state(const struct session *);
/* 0, or the KCPSHIM_E_* with which the session ended. */
int session_error(const struct session *);
/* Number of this session in its endpoint; unique while the endpoint lives. */
uint64_t session_id(const struct session *);
/* Events since the last call; clears them. */
unsigned session_take_events(struct session *);
/* The engine's own pointer for this session (its relay); NULL at first. */
void session_set_owner(struct session *, void *owner);
void *session_owner(const struct session *);
/* Listener handle that accepted it, 0 for a connecting session. */
uint32_t session_listener(const struct session *);
const struct path *session_path(const struct session *);        /* where it sends now */
const struct netaddr *session_peer(const struct session *);     /* the address at connect or accept */

/* --- stream: as in kcp.h; every call marks the session due as needed --- */
size_t session_send_room(const struct session *);
int session_send_reserve(struct session *, struct iovec *iov, int n, size_t max);
void session_send_commit(struct session *, size_t len, uint64_t now);
int session_recv_peek(struct session *, struct iovec *iov, int n);
size_t session_recv_ready(const struct session *);
void session_recv_consume(struct session *, size_t len, uint64_t now);
/* End of stream reached: every byte before the peer's FIN was consumed. */
bool session_recv_eof(const struct session *);

/* The program will write no more: FIN after what was written. Idempotent. */
void session_shutdown_write(struct session *, uint64_t now);
/* The program closed its last descriptor: FIN, then linger; bytes that arrive from now on cause RST,
 * and so does `unread` (the program left bytes unread), as in RFC 2525 2.17. */
void session_close(struct session *, bool unread, uint64_t now);
/* Sends RST (session mode) and ends with KCPSHIM_E_RESET locally. */
void session_abort(struct session *, uint64_t now);
void session_cork(struct session *, bool on, uint64_t now);
/* Changes keepalive and user timeout (see session_config). */
void session_set_timeouts(struct session *, uint64_t user_timeout_us,
    uint64_t keep_idle_us, uint64_t keep_interval_us, uint32_t keep_count, uint64_t now);
/* Upper bound for the UDP payload bytes of one datagram from now on (KCP_MTU, max_transmission). KCPSHIM_E_RANGE: outside 100..65000. */
int session_set_mtu(struct session *, uint32_t mtu, uint64_t now);
/* The engine sends this session's datagrams through another socket from now on; its address stays the same. */
void session_set_sock(struct session *, uint32_t sock);
struct kcp *session_kcp(struct session *);  /* for the run-time setters only; NULL before it is open */

/* Smoothed round trip, us, or that of the opening while there is no other; 0: unknown. */
uint64_t session_srtt(const struct session *);

struct session_info {
	enum session_state state;
	int error;
	bool sent_fin, fin_acked, got_fin;
	uint8_t suite;            /* enum seal_suite */
	bool authenticated;       /* a pre-shared key was proven */
	bool plain;
	uint32_t mtu;             /* present UDP payload limit */
	uint64_t opened_at;       /* 0 when not yet */
	uint64_t datagrams_sent, datagrams_received, wire_bytes_sent, wire_bytes_received;
	uint64_t restored;        /* datagrams made from parity */
	bool ecn_on;              /* both sides want it */
	struct ecn ecn;
	uint64_t dropped;         /* datagrams that did not verify */
	struct kcp_info kcp;
};
void session_get_info(const struct session *, struct session_info *);

#endif
