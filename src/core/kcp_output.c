/* kcp_output: what is due, put into datagrams; and when something will be. */
#include <string.h>

#include "kcp_internal.h"

#define BURST_US 1000u
#define BURST_LONG_US 4000u         /* on paths whose round trip hides it: each burst costs a wake-up at both ends */
#define BURST_LONG_SEGMENTS 3u      /* with so many in a short one long ones begin at once, */
#define BURST_FEW_SEGMENTS 1u       /* with so many when the rate had time to be found out: it is found faster without */
#define BURST_FEW_ROUNDS 24u
#define BURST_SHARE 10u             /* of the round trip */
#define BURST_MIN_SEGMENTS 2u
#define BURST_MAX 65536u

static uint64_t
burst_us(const struct kcp *k)
{
	uint64_t us = k->rtt.min == UINT64_MAX ? 0 : k->rtt.min / BURST_SHARE;
	const struct cc_bbr *b = &k->cc.bbr;
	unsigned least = b->round < BURST_FEW_ROUNDS ? BURST_LONG_SEGMENTS : BURST_FEW_SEGMENTS;

	/* With fewer segments there is little to save. */
	if (us < BURST_US || k->cc.kind != KCP_CC_AUTO || b->state == BBR_STARTUP ||
	    k->cc.pacing_rate * BURST_US / 1000000u < (uint64_t)least * k->cc.mss)
		return BURST_US;
	return us < BURST_LONG_US ? us : BURST_LONG_US;
}

/* Divisions are made when the rate changes, not for each datagram. */
void
kcp_pace_set(struct kcp *k)
{
	uint64_t burst = k->cc.pacing_rate * burst_us(k) / 1000000u, least = (uint64_t)BURST_MIN_SEGMENTS * k->cc.mss;

	if (burst < least)
		burst = least;
	if (burst > BURST_MAX)
		burst = BURST_MAX;
	k->pace_rate = k->cc.pacing_rate;
	k->pace_ns_256 = 256000000000u / k->pace_rate;
	k->pace_burst_ns = burst * k->pace_ns_256 / 256;
}

/* A burst may leave at once; then the pacer rests until all of it would have left at the rate. Who is called later than asked
 * for, by a burst at most, does not lose that time. */
void
kcp_pace_sent(struct kcp *k, uint64_t bytes, uint64_t now)
{
	if (k->pace_at_ns + k->pace_burst_ns < now * 1000)
		k->pace_at_ns = now * 1000;
	k->pace_at_ns += bytes * k->pace_ns_256 / 256;
	if (k->pace_at_ns >= now * 1000 + k->pace_burst_ns)
		k->pace_wake = (k->pace_at_ns + 999) / 1000;
}

/* What is owed to the pacer is a number of bytes, whatever the rate was then. */
void
kcp_pace_changed(struct kcp *k, uint64_t now)
{
	uint64_t owed;

	if (k->pace_rate == k->cc.pacing_rate)
		return;
	owed = k->pace_at_ns > now * 1000 ? k->pace_at_ns - now * 1000 : 0;
	owed = (uint64_t)((double)owed * (double)k->pace_rate / (double)k->cc.pacing_rate);
	kcp_pace_set(k);
	if (owed > 0) {
		k->pace_at_ns = now * 1000 + owed;
		if (k->pace_wake > now)
			k->pace_wake = (k->pace_at_ns + 999) / 1000;
	}
}

/* Segments that the windows still allow beyond snd_nxt. */
static bool
window_open(const struct kcp *k)
{
	uint32_t wnd = k->rmt_wnd < k->cfg.snd_wnd ? k->rmt_wnd : k->cfg.snd_wnd;

	return k->snd_nxt - k->snd_una < wnd;
}

static bool
held_back(const struct kcp *k)
{
	return k->cork && k->snd_end - k->snd_nxt == 1 && !k->fin_queued && snd_at(k, k->snd_nxt)->len < k->mss;
}

bool
kcp_may_send_new(const struct kcp *k)
{
	return k->snd_nxt != k->snd_end && window_open(k) && !held_back(k);
}

/* At least one segment may always be in flight, or a window below one datagram would stop the flow. */
static bool
cwnd_open(const struct kcp *k)
{
	return k->inflight < k->cc.cwnd || k->sent.count == 0;
}

static bool
data_waits(const struct kcp *k)
{
	bool lost = k->lost.count > 0 && !k->lost_beyond;

	return k->tlp_due || ((lost || kcp_may_send_new(k)) && (cwnd_open(k) || k->credit > 0));
}

static bool
data_due(const struct kcp *k, uint64_t now)
{
	return data_waits(k) && (now >= k->pace_wake || k->credit > 0 || k->tlp_due);
}

void
kcp_stamp(const struct kcp *k, struct wire_writer *w, uint64_t now)
{
	wire_writer_stamp(w, k->rcv_nxt, kcp_recv_window(k), (uint32_t)now);
}

bool
kcp_put_seg(struct kcp *k, struct wire_writer *w, uint32_t sn)
{
	const struct snd_seg *s = snd_at(k, sn);
	struct wire_frame f;

	memset(&f, 0, offsetof(struct wire_frame, ranges));
	f.type = WIRE_DATA;
	f.sn = sn;
	f.frg = s->frg;
	f.fin = (s->flags & SEG_FIN) != 0;
	f.data = s->data;
	f.len = s->len;
	return wire_put(w, &f);
}

static void
count_sent(struct kcp *k, uint32_t sn, uint64_t now)
{
	struct snd_seg *s = snd_at(k, sn);
	uint32_t bytes = seg_bytes(k, s);

	if (k->inflight == 0)
		k->first_sent = k->delivered_at = now;
	s->sent_at = now;
	s->delivered = k->delivered;
	s->delivered_at = k->delivered_at;
	s->first_sent = k->first_sent;
	s->app_limited = k->app_limited_until != 0;
	s->state = SEG_SENT;
	if (s->xmit < UINT8_MAX)
		s->xmit++;
	kcp_list_append(k, &k->sent, sn);
	k->inflight += bytes;
	kcp_pace_sent(k, bytes, now);
	if (k->credit > 0)
		k->credit--;
}

static void
resent(struct kcp *k, uint32_t sn, uint64_t now)
{
	struct snd_seg *s = snd_at(k, sn);

	uint64_t age = now - s->sent_at;

	s->first_age = s->xmit == 1 && s->copies == 0 && age <= UINT32_MAX ? (uint32_t)age : 0;
	s->flags |= SEG_RTX;
	k->stat.retransmits++;
	count_sent(k, sn, now);
}

/* As much of a segment as fits, from where the last one ended. True: that was the end of it. */
static bool
put_part(struct kcp *k, struct wire_writer *w, uint32_t sn)
{
	struct snd_seg *s = snd_at(k, sn);
	size_t room = w->cap > w->len + WIRE_SESSION_PART_HEADER ? w->cap - w->len - WIRE_SESSION_PART_HEADER : 0;
	struct wire_frame f;

	memset(&f, 0, offsetof(struct wire_frame, ranges));
	f.type = WIRE_DATA;
	f.sn = sn;
	f.fin = (s->flags & SEG_FIN) != 0;
	f.offset = s->part;
	f.total = s->len;
	f.data = s->data + f.offset;
	f.len = f.total - f.offset < room ? f.total - f.offset : (uint32_t)room;
	if (f.len == 0 || !wire_put(w, &f))
		return false;
	s->part = (uint16_t)(s->part + f.len);
	if (s->part < s->len)
		return false;
	s->part = 0;
	return true;
}

/* A segment cut for a larger mtu and already sent cannot be cut again: it goes in parts or, where the wire has none, in a datagram
 * that may use all that the caller offers. */
static bool
put_large(struct kcp *k, struct wire_writer *w, size_t cap, uint32_t sn)
{
	size_t limit = w->cap;
	bool fits;

	if (!wire_writer_empty(w) || snd_at(k, sn)->len <= k->mss)
		return false;
	if (k->cfg.codec == WIRE_SESSION)
		return put_part(k, w, sn);
	w->cap = cap;
	fits = kcp_put_seg(k, w, sn);
	/* Nothing else may ride along. */
	w->cap = fits ? w->len : limit;
	return fits;
}

/* Puts a lost segment first that the peer takes. Its window may have shrunk since they were sent: those beyond it wait behind the
 * others, or each would cost a timeout (RFC 9293 3.8.6). The oldest of all goes even into a closed window. */
static bool
first_lost(struct kcp *k)
{
	uint32_t wnd = k->rmt_wnd > 0 ? k->rmt_wnd : 1;

	for (uint32_t n = k->lost.count; n > 0; n--) {
		uint32_t sn = k->lost.head;

		if (sn - k->snd_una < wnd)
			return true;
		kcp_list_remove(k, &k->lost, sn);
		kcp_list_append(k, &k->lost, sn);
	}
	k->lost_beyond = true;
	return false;
}

static bool
put_lost(struct kcp *k, struct wire_writer *w, size_t cap, uint64_t now)
{
	uint32_t sn;

	if (!first_lost(k))
		return false;
	sn = k->lost.head;
	if (!kcp_put_seg(k, w, sn) && !put_large(k, w, cap, sn)) {
		/* Not even alone: waits for a caller that offers more, without keeping it busy. */
		if (wire_writer_empty(w)) {
			k->credit = 0;
			k->pace_wake = now + rtt_rto(&k->rtt);
		}
		return false;
	}
	kcp_list_remove(k, &k->lost, sn);
	resent(k, sn, now);
	return true;
}

/* The hardware would find each block's stream of bytes only after some misses. */
static void
fetch_bytes(const struct snd_seg *s)
{
	const uint8_t *end = s->data + s->len;

	for (const uint8_t *p = s->data; p < end; p += 64)
		__builtin_prefetch(p);
}

static bool
put_new(struct kcp *k, struct wire_writer *w, size_t cap, uint64_t now)
{
	uint32_t sn = k->snd_nxt;

	snd_prefetch(k, sn);
	if (sn + 1 != k->snd_end)
		fetch_bytes(snd_at(k, sn + 1));
	if (!kcp_put_seg(k, w, sn) && !put_large(k, w, cap, sn))
		return false;
	kcp_answer_sent(k, now);
	k->snd_nxt++;
	k->unsent_bytes -= snd_at(k, sn)->len;
	k->stat.segments_sent++;
	count_sent(k, sn, now);
	return true;
}

static void
put_tail(struct kcp *k, struct wire_writer *w, uint64_t now)
{
	uint32_t sn;

	k->tlp_due = false;
	if (k->sent.count == 0)
		return;
	sn = k->sent.tail;
	if (!kcp_put_seg(k, w, sn))
		return;
	kcp_list_remove(k, &k->sent, sn);
	k->inflight -= seg_bytes(k, snd_at(k, sn));
	resent(k, sn, now);
	k->tlp_for = now;
}

static void
put_data(struct kcp *k, struct wire_writer *w, size_t cap, uint64_t now)
{
	while (data_due(k, now)) {
		bool put = true;

		if (k->lost.count > 0 && !k->lost_beyond)
			put = put_lost(k, w, cap, now);
		else if (kcp_may_send_new(k))
			put = put_new(k, w, cap, now);
		else if (k->tlp_due)
			put_tail(k, w, now);
		else
			break;
		if (!put)
			break;
	}
	/* On a long path, a first write that comes in pieces must not make the whole first window look like a slow writer's. */
	if (!(k->seeded && k->delivered == 0) && k->snd_nxt == k->snd_end && k->lost.count == 0 && cwnd_open(k))
		k->app_limited_until = k->delivered + k->inflight > 0 ? k->delivered + k->inflight : 1;
}

static void
acks_sent(struct kcp *k)
{
	k->ack_at = KCP_NEVER;
	k->owed = 0;
	k->nacks = k->acks_done = 0;
	if (k->acks_cap > 64) {
		mem_free(k->mem, k->acks, k->acks_cap * sizeof(*k->acks));
		k->acks = NULL;
		k->acks_cap = 0;
	}
}

/* Behind a hole una says nothing, so a lost acknowledgement would cost a segment: those said last go along again if they fit. */
static void
repeat_acks(struct kcp *k, struct wire_writer *w, const struct ack_item said[KCP_ACK_REPEATS])
{
	struct wire_frame f;

	memset(&f, 0, offsetof(struct wire_frame, ranges));
	f.type = WIRE_ACK;
	for (uint32_t i = 0; i < KCP_ACK_REPEATS && i < k->said_n; i++) {
		f.sn = said[i].sn;
		f.ts = said[i].ts;
		if (seq_after(f.sn, k->rcv_nxt))
			wire_put(w, &f);
	}
}

static void
put_plain_acks(struct kcp *k, struct wire_writer *w)
{
	bool repeat = k->islands > 0 && k->acks_done == 0 && k->nacks <= KCP_ACK_REPEATS;
	struct ack_item said[KCP_ACK_REPEATS];
	struct wire_frame f;

	memset(&f, 0, offsetof(struct wire_frame, ranges));
	f.type = WIRE_ACK;
	memcpy(said, k->said, sizeof(said));
	for (; k->acks_done < k->nacks; k->acks_done++) {
		f.sn = k->acks[k->acks_done].sn;
		f.ts = k->acks[k->acks_done].ts;
		if (!wire_put(w, &f))
			return;
		k->said[k->said_at++ % KCP_ACK_REPEATS] = k->acks[k->acks_done];
	}
	if (repeat)
		repeat_acks(k, w, said);
	k->said_n = k->said_at < KCP_ACK_REPEATS ? k->said_at : KCP_ACK_REPEATS;
	acks_sent(k);
}

static void
put_session_acks(struct kcp *k, struct wire_writer *w, uint64_t now)
{
	uint32_t frames = 1;
	bool runs = k->islands > WIRE_ACK_RANGES_MAX;
	struct wire_frame f;

	memset(&f, 0, offsetof(struct wire_frame, ranges));
	f.type = WIRE_ACK;
	f.una = k->rcv_nxt;
	f.wnd = kcp_recv_window(k);
	f.ts = k->echo_ts;
	f.ts_delay_us = now - k->echo_at < UINT32_MAX ? (uint32_t)(now - k->echo_at) : UINT32_MAX;
	/* What a lump of segments left unnamed would look lost beside its newest ones. */
	if (k->owed > KCP_ACK_LUMP && runs) {
		frames = (k->islands + WIRE_ACK_RANGES_MAX - 1) / WIRE_ACK_RANGES_MAX;
		k->cursor = k->first_island;
	}
	for (uint32_t i = 0; i < frames + runs; i++) {
		if (runs && i == 0)
			kcp_recv_runs(k, &f);
		else
			kcp_recv_ranges(k, &f);
		if (!wire_put(w, &f)) {
			if (i == 0)
				return;
			break;
		}
	}
	acks_sent(k);
}

static void
put_acks(struct kcp *k, struct wire_writer *w, uint64_t now)
{
	if (k->cfg.codec == WIRE_PLAIN)
		put_plain_acks(k, w);
	else
		put_session_acks(k, w, now);
}

static void
put_window(struct kcp *k, struct wire_writer *w, uint64_t now)
{
	struct wire_frame f;

	memset(&f, 0, offsetof(struct wire_frame, ranges));
	if (k->wins_at <= now) {
		k->wins_due = true;
		k->wins_at = --k->wins_left > 0 ? now + 2 * rtt_rto(&k->rtt) : KCP_NEVER;
	}
	f.type = WIRE_WINS;
	f.una = k->rcv_nxt;
	f.wnd = kcp_recv_window(k);
	if (k->wins_due && wire_put(w, &f))
		k->wins_due = false;
	if (k->probe_at <= now) {
		f.type = WIRE_WASK;
		if (wire_put(w, &f)) {
			uint64_t pause = rtt_backoff(rtt_rto(&k->rtt), ++k->probes);

			k->probe_at = now + (pause < KCP_PROBE_MAX_US ? pause : KCP_PROBE_MAX_US);
		}
	}
}

/* A closed window is probed after one timeout already: the update that opens it may have been lost. */
static void
arm_probe(struct kcp *k, uint64_t now)
{
	bool blocked = k->snd_nxt != k->snd_end && k->snd_nxt == k->snd_una && !window_open(k);

	if (!blocked)
		k->probe_at = KCP_NEVER;
	else if (k->probe_at == KCP_NEVER)
		k->probe_at = now + rtt_rto(&k->rtt);
}

bool
kcp_output(struct kcp *k, struct wire_writer *w, uint64_t now)
{
	size_t cap = w->cap, before = w->len;
	uint32_t nxt = k->snd_nxt;

	kcp_stamp(k, w, now);
	kcp_send_place_fin(k);
	kcp_loss_timers(k, now);
	if (w->cap > k->cfg.mtu)
		w->cap = k->cfg.mtu;
	if (k->ack_at <= now || (k->ack_at != KCP_NEVER && data_due(k, now)))
		put_acks(k, w, now);
	arm_probe(k, now);
	put_window(k, w, now);
	put_data(k, w, cap, now);
	if (k->snd_nxt != nxt && k->snd_nxt == k->snd_end)
		kcp_tail_arm(k, now);
	if (k->snd_nxt != nxt || k->tail_at <= now)
		kcp_tail_carry(k, w, now);
	w->cap = cap;
	if (w->len == before)
		return false;
	k->adv_edge = k->rcv_nxt + kcp_recv_window(k);
	if (seq_after(k->adv_edge, k->promised))
		k->promised = k->adv_edge;
	return true;
}

uint64_t
kcp_deadline(const struct kcp *k)
{
	/* What is found lost earlier would have to wait for the pacer all the same. */
	uint64_t at = kcp_loss_deadline(k, data_waits(k) ? k->pace_wake : 0);
	bool blocked = k->snd_nxt != k->snd_end && k->snd_nxt == k->snd_una && !window_open(k);

	if (k->ack_at < at)
		at = k->ack_at;
	if (k->wins_due || k->tlp_due || (k->credit > 0 && data_waits(k)) || (blocked && k->probe_at == KCP_NEVER))
		return 0;
	if (k->wins_at < at)
		at = k->wins_at;
	if (k->probe_at < at)
		at = k->probe_at;
	if (k->tail_at < at)
		at = k->tail_at;
	if (data_waits(k) && k->pace_wake < at)
		at = k->pace_wake;
	return at;
}
