/* kcp_internal: what the parts of the ARQ share. Included by kcp*.c only. */
#ifndef KCPSHIM_KCP_INTERNAL_H
#define KCPSHIM_KCP_INTERNAL_H

#include "cc.h"
#include "kcp.h"
#include "mem.h"
#include "rtt.h"
#include "seq.h"

/* Bytes that a segment of the receive window stands for: larger ones, where the path carries them, do not make it hold more. */
#define KCP_WND_SEG 1400u
#define KCP_WND_MAX (1u << 20)          /* segments; caps what a configuration or a peer's window can ask for */
#define KCP_PLAIN_RMT_WND 128u          /* IKCP_WND_RCV: what ikcp assumes of a peer that has not spoken */
#define KCP_FRAGMENTS_MAX 127u          /* ikcp_send() refuses 128 and more */
#define KCP_RING_MIN 8u
#define KCP_RANGES_MAX 8192u            /* islands beyond rcv_nxt; more are refused and come again */
#define KCP_ACKS_MAX 4096u              /* plain: acknowledgements that wait to be sent */
#define KCP_RUNS 16u                    /* newest runs of segments that an ACK names first */
#define KCP_ACK_LUMP 8u                 /* session: an acknowledgement for more than that names every island */
#define KCP_ACK_REPEATS 2u              /* plain: acknowledgements behind a hole are said so often again */
#define KCP_ROOMY 65536u                /* bytes that are worth waking a writer for */
#define KCP_UDP_OVERHEAD 28u            /* IPv4 and UDP headers, counted in rates */
#define KCP_THIN_SEGMENTS 8u            /* flows with no more in flight use a timer per segment */
#define KCP_THIN_SLACK_US 5000u
#define KCP_STUCK_TIMEOUTS 2u           /* in a row */
#define KCP_STUCK_TRANSMISSIONS 4u      /* of the oldest segment */
#define KCP_PROBE_MAX_US 10000000u      /* longest pause between window probes */
#define KCP_WINS_REPEATS 3u
#define KCP_RTO_MIN_US 100000u          /* IKCP_RTO_MIN */
#define KCP_RTO_NODELAY_US 30000u       /* IKCP_RTO_NDL */

enum seg_state { SEG_UNSENT, SEG_SENT, SEG_LOST, SEG_ACKED };

#define SEG_FIN 1u
#define SEG_RTX 2u        /* retransmitted as lost, at sent_at */
#define SEG_TIMEOUT 4u    /* found lost by the timer, which says nothing about the order */

/* One segment out; exactly a cache line. */
struct snd_seg {
	uint8_t *data;            /* payload, `cap` bytes; NULL when acknowledged or empty */
	uint64_t sent_at;         /* last transmission */
	uint64_t delivered;       /* rate sample: bytes delivered when it was sent */
	uint64_t delivered_at;    /* rate sample: when that much was delivered */
	uint64_t first_sent;      /* rate sample: send time of the segment that was acknowledged then */
	uint32_t prev, next;      /* SENT, LOST: neighbours in their list; ACKED: next is where to look for what is not */
	uint32_t first_age;       /* us: of the first transmission when it was repeated for the first time; 0: unknown or not */
	uint16_t len, cap;
	uint8_t state;            /* enum seg_state */
	uint8_t xmit;             /* transmissions, saturating */
	uint8_t frg;
	uint8_t flags;
	uint8_t copies;           /* times carried again without having been found lost */
	bool app_limited;
	uint16_t part;            /* bytes that left of it in the present transmission, when it goes in parts */
};

/* Segments chained through snd_seg.prev and .next by sn. head and tail are valid while count > 0. */
struct seg_list {
	uint32_t head, tail, count;
};

/* One segment in. An island is a run of received segments beyond rcv_nxt; its first and last slot know each other. */
struct rcv_slot {
	uint8_t *data;            /* `len` bytes; NULL when empty */
	uint16_t len;
	bool present;
	uint32_t other_end;       /* first slot of an island: its last sn; last slot: its first; not present: bytes there so far */
	uint32_t prev, next;      /* first slot: first sn of the neighbouring islands */
};

struct ack_item {
	uint32_t sn, ts;
};

/* As in struct kcp_info. */
struct kcp_counters {
	uint64_t delivery_rate, last_progress;
	uint64_t segments_sent, segments_received;
	uint64_t retransmits, spurious, duplicates, redundant;
	uint64_t bytes_sent, bytes_acked, bytes_received;
};

struct kcp {
	struct mem *mem;
	struct kcp_config cfg;
	uint32_t mss;             /* payload bytes of a full segment */
	uint32_t snd_limit;       /* bytes accepted from the writer at most; 0: by snd_buf and the windows */
	struct rtt rtt;
	struct cc cc;

	/* send: [snd_una, snd_nxt) sent, [snd_nxt, snd_end) committed, [snd_end, rsv_end) reserved */
	struct snd_seg *snd;
	uint32_t snd_size;        /* slots, power of two; 0: none */
	uint32_t snd_una, snd_nxt, snd_end, rsv_end;
	uint32_t snd_first_room;  /* reserved bytes in the last committed segment */
	uint64_t snd_bytes;       /* committed and not acknowledged */
	uint64_t unsent_bytes;
	struct seg_list sent;     /* SENT, by last transmission */
	struct seg_list lost;     /* LOST, in the order found */
	uint64_t inflight;        /* datagram bytes of the SENT ones */
	bool cork, fin_queued, fin_placed, fin_acked;
	uint32_t fin_sn;

	/* peer's window */
	uint32_t rmt_wnd, rmt_wnd_max;
	uint32_t wnd_una;         /* una of the frame that told rmt_wnd */
	uint32_t probes;
	uint64_t probe_at;        /* next WASK; KCP_NEVER: window open */

	/* pacing */
	uint64_t pace_rate;       /* bytes/s that pace_at_ns was made with */
	uint64_t pace_ns_256;     /* nanoseconds for 256 bytes at that rate */
	uint64_t pace_burst_ns;   /* what may leave at once */
	uint64_t pace_at_ns;      /* when all that was sent has left at the pacing rate, nanoseconds */
	uint64_t pace_wake;       /* data is held back until then */

	/* loss detection, RFC 8985 */
	uint64_t rack_sent_at;    /* send time of the newest segment known to have arrived */
	uint32_t rack_rtt;
	uint32_t rack_sn;
	uint64_t rack_deadline;   /* KCP_NEVER: none */
	uint32_t reo_wnd;         /* us */
	uint32_t lateness;        /* largest recent delay behind a later segment */
	uint64_t lateness_at;
	uint64_t rack_at;         /* when a segment arrived last */
	uint64_t tlp_for;         /* sent_at of the tail that was probed last */
	bool seeded;              /* rtt holds the handshake's word alone */
	bool lost_undo;           /* a loss found earlier was none */
	bool tlp_due;
	bool lost_beyond;         /* no lost segment is one that the peer would take now */
	bool input_seen;          /* an acknowledgement since kcp_input_done() */
	uint32_t backoff;
	uint32_t credit;          /* segments that may pass the window and the pacer: timeouts and probes */

	/* thin flows, kcp_tail.c */
	uint64_t tail_at;             /* when the lone tail is repeated; KCP_NEVER: not */
	uint64_t new_at;              /* last first transmission */
	uint32_t gap;                 /* smoothed time between them, us; 0: unknown */
	uint32_t lossy;               /* share of first transmissions lost lately, per 65536 */
	uint8_t judged;               /* how many first transmissions that is made of, to TAIL_UNKNOWN */
	uint8_t copies_more;          /* copies of a segment beyond the usual number, after long bursts of losses */
	uint16_t copies_calm;         /* segments acknowledged since copies_more was last too small or changed */

	/* rate samples */
	uint32_t sample_send_elapsed;
	uint64_t delivered, delivered_at, first_sent;
	uint64_t app_limited_until;   /* `delivered` at which the app-limited phase ends; 0: not limited */
	struct cc_ack ack;            /* collected between two kcp_input_done() */
	uint64_t sample_delivered_at;
	uint64_t ack_newest;          /* send time of the newest segment in `ack` */
	uint32_t rtt_min, rtt_max;    /* samples of this datagram; rtt_min UINT32_MAX: none */
	uint32_t una_rtt;             /* from una alone, used when there is no other; 0: none */
	uint32_t ack_delay;           /* us that the peer held the present acknowledgement's echo back */

	/* receive: [rcv_read, rcv_nxt) in order, islands beyond */
	struct rcv_slot *rcv;
	uint32_t rcv_size;
	uint32_t rcv_read, rcv_nxt;
	uint32_t rcv_off;         /* bytes consumed of the segment rcv_read */
	uint64_t rcv_bytes;       /* in order and not consumed */
	uint32_t islands, first_island, last_island;
	uint32_t cursor;          /* where the next round of ranges starts */
	struct wire_range *runs;  /* KCP_RUNS beyond rcv_nxt, as they came, the last one at runs_at; NULL: few islands until now */
	uint32_t runs_at;
	bool fin_seen, fin_received;
	uint16_t partial;         /* segments of which only the beginning is there */
	uint32_t rcv_fin;         /* sn of the last segment */
	uint32_t adv_edge;        /* una + wnd as last told */
	uint32_t promised;        /* the largest that was ever told */
	uint32_t read_from;       /* rcv_read and time (low bits) at which the present measurement of the reader began */
	uint32_t read_at;

	/* what to say */
	struct ack_item *acks;
	uint32_t nacks, acks_cap, acks_done;
	struct ack_item said[KCP_ACK_REPEATS];  /* the newest said_n that were sent */
	uint32_t said_n, said_at;
	uint32_t rcv_seg;         /* bytes of the largest segment received, at least KCP_WND_SEG */
	uint64_t ack_at;          /* KCP_NEVER: nothing to acknowledge */
	uint32_t owed;            /* segments since the last acknowledgement */
	uint32_t echo_ts;
	uint64_t echo_at;
	bool wins_due;
	bool asked;               /* a segment came, and none was sent since */
	uint8_t answers;          /* so many were answered at once, in a row */
	uint32_t wins_left;
	uint64_t wins_at;         /* next repeat; KCP_NEVER: none */

	struct kcp_counters stat;
};

static inline struct snd_seg *
snd_at(const struct kcp *k, uint32_t sn)
{
	return &k->snd[sn & (k->snd_size - 1)];
}

/* A large window has left the caches when its acknowledgements come. The segments that follow `sn` are fetched while it is dealt
 * with, and where their bytes lie: to be sent, or to be given back, which writes to them. */
static inline void
snd_prefetch(const struct kcp *k, uint32_t sn)
{
	const struct snd_seg *s = snd_at(k, sn + 4);

	__builtin_prefetch(snd_at(k, sn + 10), 1);
	__builtin_prefetch(s->data, 1);
}

static inline struct rcv_slot *
rcv_at(const struct kcp *k, uint32_t sn)
{
	return &k->rcv[sn & (k->rcv_size - 1)];
}

/* Datagram bytes that a segment is counted with. */
static inline uint32_t
seg_bytes(const struct kcp *k, const struct snd_seg *s)
{
	return s->len + (uint32_t)wire_data_overhead(k->cfg.codec) + KCP_UDP_OVERHEAD;
}

/* kcp_send.c */
void kcp_list_append(struct kcp *, struct seg_list *, uint32_t sn);
void kcp_list_remove(struct kcp *, struct seg_list *, uint32_t sn);
void kcp_send_dispose(struct kcp *);
/* Gives the ring and reserved buffers back when nothing is queued. */
void kcp_send_shrink(struct kcp *);
/* Makes room in the ring for `need` segments from snd_una on. */
bool kcp_send_grow(struct kcp *, uint32_t need);
void kcp_send_unreserve(struct kcp *);
/* Marks the last segment as the end of the stream, or makes an empty one, once kcp_send_fin() was called. */
void kcp_send_place_fin(struct kcp *);
/* First sn of [sn, end) that is not acknowledged, or end. */
uint32_t kcp_next_unacked(struct kcp *, uint32_t sn, uint32_t end);

/* kcp_cut.c */
/* Bytes that were never sent are cut anew after the mtu changed. */
void kcp_send_recut(struct kcp *);

/* kcp_recv.c */
int kcp_recv_data(struct kcp *, const struct wire_frame *, uint64_t now);
uint32_t kcp_recv_window(const struct kcp *);
/* Fills f->ranges with islands to report: all, or the next ones of a walk through them. */
void kcp_recv_ranges(struct kcp *, struct wire_frame *f);
/* Fills f->ranges with the runs that came last. */
void kcp_recv_runs(const struct kcp *, struct wire_frame *f);
void kcp_recv_dispose(struct kcp *);

/* kcp_ack.c */
int kcp_ack_frame(struct kcp *, const struct wire_frame *, uint64_t now);
/* Plain: a header that acknowledges and allows no more than the ones before, as those of most segments do. */
static inline bool
kcp_ack_known(const struct kcp *k, const struct wire_frame *f)
{
	return f->una == k->snd_una && f->una == k->wnd_una && f->wnd == k->rmt_wnd && f->wnd > 0 && k->probe_at == KCP_NEVER &&
	    k->probes == 0 && (f->type == WIRE_ACK ? seq_before(f->sn, k->snd_una) : f->type == WIRE_DATA);
}
void kcp_ack_done(struct kcp *, uint64_t now);
void kcp_ack_reset(struct kcp *);
/* Whether a segment was sent while the flow itself gave no reason to drop (cc.h). */
bool kcp_ack_calm(const struct kcp *, const struct snd_seg *);

/* kcp_loss.c */
void kcp_loss_detect(struct kcp *, uint64_t now);
/* Acts on every timer that expired. */
void kcp_loss_timers(struct kcp *, uint64_t now);
/* When one expires; KCP_NEVER: none is set. What is due at `sends_at` at the earliest is not looked for before. */
uint64_t kcp_loss_deadline(const struct kcp *, uint64_t sends_at);
/* `sn` arrived; spurious: although it had been found lost. */
void kcp_loss_arrived(struct kcp *, uint32_t sn, bool spurious, uint64_t now);
void kcp_loss_mark(struct kcp *, uint32_t sn);

/* kcp_answer.c */
/* How long the acknowledgement of the segment that just came may wait for an answer to ride along with, us. */
uint64_t kcp_answer_wait(const struct kcp *);
/* A segment came. */
void kcp_answer_asked(struct kcp *);
/* A new one is sent. */
void kcp_answer_sent(struct kcp *, uint64_t now);

/* kcp_tail.c */
/* New data was put into a datagram and nothing is left to send: when to repeat it. */
void kcp_tail_arm(struct kcp *, uint64_t now);
/* Carries the unacknowledged tail again, as far as it fits. */
void kcp_tail_carry(struct kcp *, struct wire_writer *, uint64_t now);
/* Whether the first transmission of a segment arrived. */
void kcp_tail_judge(struct kcp *, const struct snd_seg *, bool lost);

/* kcp_output.c */
bool kcp_put_seg(struct kcp *, struct wire_writer *, uint32_t sn);
void kcp_pace_sent(struct kcp *, uint64_t bytes, uint64_t now);
bool kcp_may_send_new(const struct kcp *);
/* The pacing rate changed. */
void kcp_pace_changed(struct kcp *, uint64_t now);
void kcp_pace_set(struct kcp *);

#endif
