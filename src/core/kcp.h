/* kcp: the ARQ. Segments of one stream out and in, acknowledged, paced, retransmitted.
 *
 * Codec-free: it takes struct wire_frame and fills struct wire_writer. No clock, no I/O, no upcall:
 * the caller gives the time (microseconds, monotonic, uint64_t) and asks what is due and when next.
 */
#ifndef KCPSHIM_KCP_H
#define KCPSHIM_KCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "wire.h"

struct mem;
struct kcp;

#define KCP_NEVER UINT64_MAX

enum kcp_cc { KCP_CC_AUTO, KCP_CC_KCP, KCP_CC_NONE };

/* What may change at run time is marked *; see kcp_set_*(). */
struct kcp_config {
	enum wire_codec codec;
	uint32_t conv;          /* plain */
	uint32_t mtu;           /* * plaintext bytes of one datagram, prefix and frame headers included; >= 50 */
	uint32_t snd_wnd;       /* * segments in flight and queued; >= 1 */
	uint32_t rcv_wnd;       /* * segments buffered for reading; >= 1 */
	uint32_t rcv_wnd_max;   /* rcv_wnd grows so far where the program reads so much in a round trip; 0: it stays */
	uint32_t rmt_wnd;       /* peer's receive window before its first word about it, segments; 0: KCP's initial 128 */
	uint32_t snd_buf;       /* bytes of unacknowledged + unsent data accepted from the writer, more where the congestion window
	                         * needs it; 0: snd_wnd segments */
	uint32_t interval_us;   /* * KCP's update interval; kept and reported, nothing waits for a tick */
	uint32_t resend;        /* * fast-retransmit threshold of classic KCP (used by KCP_CC_KCP) */
	enum kcp_cc cc;         /* * */
	uint64_t rate;          /* * cap on the pacing rate, bytes/s; 0: none */
	bool nodelay;           /* * plain KCP's nodelay: smaller minimum RTO */
	bool stream;            /* * false: message mode, a write is one message (plain only) */
	bool redundancy;        /* thin flows: carry the unacknowledged tail again */
	uint32_t ack_delay_us;  /* 0: acknowledge at once, batched per datagram burst */
};

/* Defaults of mode=auto for a codec. */
void kcp_config_default(struct kcp_config *, enum wire_codec);

/* New ARQ, or NULL when memory is refused. Owned by the caller; kcp_free releases all. */
struct kcp *kcp_new(struct mem *, const struct kcp_config *, uint64_t now);
void kcp_free(struct kcp *);

/* --- the program's side --- */

/* Bytes that may be written now without exceeding the send buffer and windows; 0: full. */
size_t kcp_send_room(const struct kcp *);
/* There is enough room to be worth waking a writer for: 64 KiB, or as much as is queued. */
bool kcp_send_roomy(const struct kcp *);
/* Fills iov[0..n) with the places where the next bytes of the stream belong (at most `max` bytes)
 * and returns how many entries were filled; 0 when full or without memory. Nothing is sent until kcp_send_commit. */
int kcp_send_reserve(struct kcp *, struct iovec *iov, int n, size_t max);
/* The first `len` reserved bytes were filled; they are now part of the stream. In message mode they are one message.
 * `len` 0 gives the reserved memory back. */
void kcp_send_commit(struct kcp *, size_t len, uint64_t now);
/* Ends the stream after all committed bytes (session codec only). KCPSHIM_E_STATE when already ended. */
int kcp_send_fin(struct kcp *, uint64_t now);
/* Queues one segment without bytes (plain: what makes an aiokcp server create its session). KCPSHIM_E_STATE after kcp_send_fin, _NOMEM. */
int kcp_send_empty(struct kcp *, uint64_t now);
/* Holds a partly filled last segment back until it is full or `on` is cleared (TCP_CORK, MSG_MORE, Nagle are the caller's policy). */
void kcp_set_cork(struct kcp *, bool on, uint64_t now);

/* Points iov[0..n) at the next in-order bytes; returns entries filled. Valid until the next call that takes `struct kcp *` non-const. */
int kcp_recv_peek(struct kcp *, struct iovec *iov, int n);
/* Bytes readable now. */
size_t kcp_recv_ready(const struct kcp *);
/* Takes `len` bytes off the front; opens the window and owes the peer a WINS if that matters. */
void kcp_recv_consume(struct kcp *, size_t len, uint64_t now);
/* The peer ended its stream and everything before it was consumed. */
bool kcp_recv_eof(const struct kcp *);
/* The peer's end of stream arrived in order (bytes may still wait to be consumed). */
bool kcp_recv_fin_received(const struct kcp *);

/* --- the network's side --- */

/* One DATA, ACK, WASK or WINS frame from the peer. 0, or KCPSHIM_E_STATE/_FORMAT for a frame that is ignored
 * (an ack of what was never sent, data after the end); the ARQ is then unchanged. */
int kcp_input(struct kcp *, const struct wire_frame *, uint64_t now);
/* The path said that its queue grows (a mark CE, RFC 3168); takes effect with the next acknowledgement. */
void kcp_congested(struct kcp *);
/* After the last frame of one datagram: loss detection, rate sample, what to acknowledge. */
void kcp_input_done(struct kcp *, uint64_t now);
/* The path was just shown to carry datagrams both ways, by other means than an acknowledgement: what waits for a timeout that was
 * doubled again and again need not wait so long (as RFC 6069 does for TCP). */
void kcp_path_works(struct kcp *);
/* When kcp has something due at `now`, puts frames into the writer and returns true; false: nothing due, writer untouched.
 * Called again and again until false. The datagram is counted as sent at `now`. */
bool kcp_output(struct kcp *, struct wire_writer *, uint64_t now);
/* Stamps una, window and clock on a writer, for frames that the caller puts itself; kcp_output does so too. */
void kcp_stamp(const struct kcp *, struct wire_writer *, uint64_t now);
/* Earliest time at which kcp_output may have something new, without further input; KCP_NEVER when idle.
 * A time <= now means "due now". */
uint64_t kcp_deadline(const struct kcp *);

/* The peer is reached over another path from now on: what was learned of the one before is forgotten (RFC 9000 9.4). */
void kcp_path_changed(struct kcp *, uint64_t now);
/* The round trip that a handshake took: what the first timeouts are made of, but not told as a measurement. No effect once there is
 * a sample. */
void kcp_seed_rtt(struct kcp *, uint64_t rtt_us, uint64_t now);

/* --- run-time setters: effect at once, nothing lost --- */
int kcp_set_mtu(struct kcp *, uint32_t mtu, uint64_t now);
int kcp_set_wndsize(struct kcp *, uint32_t snd_wnd, uint32_t rcv_wnd, uint64_t now);
int kcp_set_nodelay(struct kcp *, bool nodelay, uint32_t interval_us, uint32_t resend, uint64_t now);
int kcp_set_cc(struct kcp *, enum kcp_cc, uint64_t rate, uint64_t now);
void kcp_set_stream(struct kcp *, bool stream);
/* At most so many bytes of unacknowledged and unsent data are accepted from now on, whatever snd_buf and the windows allow; 0: no such
 * limit. What is queued stays queued. */
void kcp_limit_send_buffer(struct kcp *, uint32_t bytes);

/* The settings in force; valid while the ARQ lives. */
const struct kcp_config *kcp_get_config(const struct kcp *);

/* --- what it knows --- */
struct kcp_info {
	uint64_t srtt_us, rttvar_us, min_rtt_us, rto_us;
	uint64_t pacing_rate;      /* bytes/s */
	uint64_t delivery_rate;    /* bytes/s, newest estimate */
	uint32_t cwnd;             /* segments */
	uint32_t rmt_wnd;          /* segments the peer can take */
	uint32_t inflight;         /* segments sent and not acknowledged */
	uint64_t unacked_bytes;    /* sent, not acknowledged */
	uint64_t unsent_bytes;     /* committed, never sent */
	uint64_t readable_bytes;   /* in order, not consumed */
	uint64_t segments_sent, segments_received;      /* DATA, first transmissions / new */
	uint64_t retransmits, spurious, duplicates;     /* segments */
	uint64_t redundant;                             /* segments carried again for thin flows */
	uint64_t bytes_sent, bytes_acked, bytes_received; /* stream bytes */
	uint64_t last_progress;    /* time at which the peer last acknowledged something new, or nothing was outstanding */
	uint32_t probes;           /* window probes without an answer */
	uint32_t backoff;          /* consecutive timeouts without progress */
	bool fin_sent, fin_acked;  /* our end of stream */
};
/* For what protects a flow from outside: share of first transmissions lost lately, per 65536; round trips as in kcp_info; whether
 * the flow has always more to send than the path takes. */
void kcp_get_path(const struct kcp *, uint32_t *loss, uint64_t *srtt_us, uint64_t *min_rtt_us, bool *fills);
/* Segments put into datagrams so far, repetitions included. */
uint64_t kcp_transmissions(const struct kcp *);
/* The caller sends so many bytes of its own on this flow's behalf: where the rate is capped they count for the pacing. */
void kcp_spend(struct kcp *, uint64_t bytes, uint64_t now);
/* Smoothed round trip, us; 0: none measured. */
uint64_t kcp_srtt(const struct kcp *);
void kcp_get_info(const struct kcp *, struct kcp_info *);
/* Something was sent again and again without an answer: the path is gone, or it loses what is as large. */
bool kcp_send_stuck(const struct kcp *);
/* When the newest segment was sent that is known to have arrived; 0: none is. */
uint64_t kcp_send_arrived(const struct kcp *);
/* True when nothing written is unacknowledged (data and fin). */
bool kcp_send_drained(const struct kcp *);

#endif
