/* kcp_recv: segments on their way in, put in order in a ring indexed by sn; what to tell the peer about them. */
#include <string.h>

#include "error.h"
#include "kcp_internal.h"

#define READ_WINDOWS 4u             /* a window of so many times what is read in a round trip: losses keep one waiting for three */
#define RTT_GUESS_US 500000u        /* where nothing was sent that could measure it */
#define ECHO_STALE_US 10000000u     /* after such a pause any clock is the newest */

/* First sn that is not accepted. Plain KCP counts its window from rcv_nxt, whatever the program has not read yet. What was promised
 * is kept when the window is made smaller: it may be on its way (RFC 9293 3.8.6). */
static uint32_t
accept_end(const struct kcp *k)
{
	uint32_t end = (k->cfg.codec == WIRE_PLAIN ? k->rcv_nxt : k->rcv_read) + k->cfg.rcv_wnd;

	return seq_before(end, k->promised) ? k->promised : end;
}

/* Segments that fit beside so many unread bytes, rounded up: an empty window lets one in. */
static uint32_t
window_beside(const struct kcp *k, uint64_t unread)
{
	uint64_t bytes = (uint64_t)k->cfg.rcv_wnd * KCP_WND_SEG;

	/* Plain KCP's senders know of segments alone. */
	if (k->cfg.codec == WIRE_PLAIN)
		return k->cfg.rcv_wnd;
	return unread < bytes ? (uint32_t)((bytes - unread + k->rcv_seg - 1) / k->rcv_seg) : 0;
}

uint32_t
kcp_recv_window(const struct kcp *k)
{
	uint32_t unread = k->rcv_nxt - k->rcv_read, left = unread < k->cfg.rcv_wnd ? k->cfg.rcv_wnd - unread : 0;
	uint32_t fit = window_beside(k, k->rcv_bytes);

	return fit < left ? fit : left;
}

static bool
ring_grow(struct kcp *k, uint32_t need)
{
	uint32_t size = k->rcv_size != 0 ? k->rcv_size : KCP_RING_MIN, old = k->rcv_size;
	struct rcv_slot *ring;

	while (size < need)
		size *= 2;
	if (size == old)
		return true;
	ring = mem_alloc(k->mem, size * sizeof(*ring));
	if (ring == NULL)
		return false;
	for (uint32_t i = 0; i < old; i++)
		ring[(k->rcv_read + i) & (size - 1)] = *rcv_at(k, k->rcv_read + i);
	mem_free(k->mem, k->rcv, old * sizeof(*ring));
	k->rcv = ring;
	k->rcv_size = size;
	return true;
}

static void
slot_release(struct kcp *k, struct rcv_slot *s)
{
	mem_free(k->mem, s->data, s->len);
	memset(s, 0, sizeof(*s));
}

static void
shrink(struct kcp *k)
{
	if (k->rcv_size == 0 || k->rcv_read != k->rcv_nxt || k->islands > 0 || k->partial > 0)
		return;
	mem_free(k->mem, k->rcv, k->rcv_size * sizeof(*k->rcv));
	mem_free(k->mem, k->runs, KCP_RUNS * sizeof(*k->runs));
	k->rcv = NULL;
	k->runs = NULL;
	k->rcv_size = 0;
}

static bool
present(const struct kcp *k, uint32_t sn)
{
	return k->islands > 0 && !seq_before(sn, k->first_island) &&
	    !seq_after(sn, rcv_at(k, k->last_island)->other_end) && rcv_at(k, sn)->present;
}

static void
island_link(struct kcp *k, uint32_t first, uint32_t last, uint32_t prev, uint32_t next, bool has_prev, bool has_next)
{
	struct rcv_slot *s = rcv_at(k, first);

	s->other_end = last;
	rcv_at(k, last)->other_end = first;
	s->prev = prev;
	s->next = next;
	if (has_prev)
		rcv_at(k, prev)->next = first;
	else
		k->first_island = first;
	if (has_next)
		rcv_at(k, next)->prev = first;
	else
		k->last_island = first;
}

/* A new island of one segment. Its place is searched from the end, where new segments arrive. */
static void
island_insert(struct kcp *k, uint32_t sn)
{
	uint32_t at = k->last_island, next = 0;
	bool has_next = false, has_prev = k->islands > 0;

	while (has_prev && seq_after(at, sn)) {
		next = at;
		has_next = true;
		has_prev = at != k->first_island;
		at = rcv_at(k, at)->prev;
	}
	k->islands++;
	island_link(k, sn, sn, at, next, has_prev, has_next);
}

static void
island_add(struct kcp *k, uint32_t sn)
{
	bool left = present(k, sn - 1), right = present(k, sn + 1);
	uint32_t first = sn, last = sn, prev, next;
	bool has_prev, has_next;

	if (!left && !right) {
		island_insert(k, sn);
		return;
	}
	if (left)
		first = rcv_at(k, sn - 1)->other_end;
	if (right)
		last = rcv_at(k, sn + 1)->other_end;
	/* The island below keeps its place in the list; only when there is none below does the one above give its own. */
	has_prev = (left ? first : sn + 1) != k->first_island;
	has_next = (right ? sn + 1 : first) != k->last_island;
	prev = rcv_at(k, left ? first : sn + 1)->prev;
	next = rcv_at(k, right ? sn + 1 : first)->next;
	if (left && right)
		k->islands--;
	island_link(k, first, last, prev, next, has_prev, has_next);
}

static void
island_drop_first(struct kcp *k)
{
	if (--k->islands > 0)
		k->first_island = rcv_at(k, k->first_island)->next;
}

/* Segments without bytes are taken off the front at once: nobody will consume them. */
static void
skip_empty(struct kcp *k)
{
	while (k->rcv_read != k->rcv_nxt && rcv_at(k, k->rcv_read)->len == 0) {
		slot_release(k, rcv_at(k, k->rcv_read));
		k->rcv_read++;
	}
}

static void
advance(struct kcp *k)
{
	while (k->rcv_nxt - k->rcv_read < k->cfg.rcv_wnd || seq_before(k->rcv_nxt, k->promised)) {
		struct rcv_slot *s;

		if (k->islands == 0 || k->first_island != k->rcv_nxt)
			break;
		s = rcv_at(k, k->rcv_nxt);
		k->rcv_bytes += s->len;
		k->stat.bytes_received += s->len;
		if (s->other_end == k->rcv_nxt) {
			island_drop_first(k);
		} else {
			/* The rest of the island starts one later. */
			bool only = k->islands == 1;

			island_link(k, k->rcv_nxt + 1, s->other_end, 0, s->next, false, !only);
		}
		if (k->fin_seen && k->rcv_nxt == k->rcv_fin)
			k->fin_received = true;
		k->rcv_nxt++;
		skip_empty(k);
	}
}

static void
owe_ack(struct kcp *k, const struct wire_frame *f, bool duplicate, uint64_t now)
{
	uint64_t at;

	if (k->cfg.codec == WIRE_PLAIN) {
		if (k->nacks == k->acks_cap) {
			uint32_t cap = k->acks_cap != 0 ? k->acks_cap * 2 : 16;
			struct ack_item *a;

			if (cap > KCP_ACKS_MAX || (a = mem_alloc_raw(k->mem, cap * sizeof(*a))) == NULL)
				return;
			if (k->nacks > 0)
				memcpy(a, k->acks, k->nacks * sizeof(*a));
			mem_free(k->mem, k->acks, k->acks_cap * sizeof(*a));
			k->acks = a;
			k->acks_cap = cap;
		}
		k->acks[k->nacks++] = (struct ack_item){ f->sn, f->ts };
	}
	/* The newest clock, not the last to arrive: an echo before a retransmission then proves that the first transmission came. */
	if (k->echo_at == 0 || !seq_before(f->ts, k->echo_ts) || now - k->echo_at > ECHO_STALE_US) {
		k->echo_ts = f->ts;
		k->echo_at = now;
	}
	k->owed++;
	kcp_answer_asked(k);
	at = now + k->cfg.ack_delay_us + (duplicate ? 0 : kcp_answer_wait(k));
	if (at < k->ack_at)
		k->ack_at = at;
}

static void
note_run(struct kcp *k, uint32_t sn)
{
	struct wire_range *r;

	if (k->runs == NULL) {
		if (k->islands < WIRE_ACK_RANGES_MAX)
			return;
		k->runs = mem_alloc(k->mem, KCP_RUNS * sizeof(*k->runs));
		if (k->runs == NULL)
			return;
	}
	r = &k->runs[k->runs_at];
	if (r->count > 0 && r->first + r->count == sn) {
		r->count++;
		return;
	}
	k->runs_at = (k->runs_at + 1) % KCP_RUNS;
	k->runs[k->runs_at] = (struct wire_range){ sn, 1 };
}

/* A slot for `sn`, which is not there yet; 0 or why not. */
static int
slot_for(struct kcp *k, uint32_t sn)
{
	if (k->islands >= KCP_RANGES_MAX && !present(k, sn - 1) && !present(k, sn + 1) && sn != k->rcv_nxt)
		return KCPSHIM_E_FULL;
	return ring_grow(k, sn - k->rcv_read + 1) ? 0 : KCPSHIM_E_NOMEM;
}

/* 1: more of the segment has to come. */
static int
store_part(struct kcp *k, const struct wire_frame *f)
{
	int rc = slot_for(k, f->sn);
	struct rcv_slot *s;

	if (rc != 0)
		return rc;
	s = rcv_at(k, f->sn);
	if (s->data == NULL) {
		if (f->offset != 0)
			return KCPSHIM_E_STATE;
		s->data = mem_alloc_raw(k->mem, f->total);
		if (s->data == NULL)
			return KCPSHIM_E_NOMEM;
		s->len = (uint16_t)f->total;
		k->rcv_seg = s->len > k->rcv_seg ? s->len : k->rcv_seg;
		s->other_end = 0;
		k->partial++;
	}
	if (f->total != s->len || f->offset > s->other_end)
		return KCPSHIM_E_STATE;
	memcpy(s->data + f->offset, f->data, f->len);
	if (f->offset + f->len > s->other_end)
		s->other_end = f->offset + f->len;
	if (s->other_end < s->len)
		return 1;
	k->partial--;
	s->present = true;
	island_add(k, f->sn);
	note_run(k, f->sn);
	return 0;
}

static int
store(struct kcp *k, const struct wire_frame *f)
{
	int rc = slot_for(k, f->sn);
	struct rcv_slot *s;
	uint8_t *data = NULL;

	if (rc != 0)
		return rc;
	if (f->len > 0) {
		data = mem_alloc_raw(k->mem, f->len);
		if (data == NULL)
			return KCPSHIM_E_NOMEM;
		memcpy(data, f->data, f->len);
	}
	s = rcv_at(k, f->sn);
	if (s->data != NULL) {
		slot_release(k, s);
		k->partial--;
	}
	s->data = data;
	s->len = (uint16_t)f->len;
	k->rcv_seg = s->len > k->rcv_seg ? s->len : k->rcv_seg;
	s->present = true;
	island_add(k, f->sn);
	note_run(k, f->sn);
	return 0;
}

/* Dynamic right-sizing (Fisk and Feng, 2001): the window follows what the program takes in one round trip. One that takes all there
 * is would take the rest as well, were there no hole before it: then what arrives counts. */
static void
size_window(struct kcp *k, uint64_t now)
{
	uint64_t rtt = k->rtt.srtt != 0 ? k->rtt.srtt : RTT_GUESS_US, want;
	uint32_t taken = k->rcv_read == k->rcv_nxt && k->islands > 0 ? rcv_at(k, k->last_island)->other_end : k->rcv_read;

	if (k->cfg.rcv_wnd >= k->cfg.rcv_wnd_max || (uint32_t)now - k->read_at < rtt)
		return;
	/* A pause says nothing of the pace. */
	want = (uint64_t)(seq_after(taken, k->read_from) ? taken - k->read_from : 0) * READ_WINDOWS * rtt / ((uint32_t)now - k->read_at);
	want = want * k->rcv_seg / KCP_WND_SEG;
	if (want > k->cfg.rcv_wnd)
		k->cfg.rcv_wnd = want < k->cfg.rcv_wnd_max ? (uint32_t)want : k->cfg.rcv_wnd_max;
	k->read_from = taken;
	k->read_at = (uint32_t)now;
}

int
kcp_recv_data(struct kcp *k, const struct wire_frame *f, uint64_t now)
{
	int rc;

	if (f->len > UINT16_MAX)
		return KCPSHIM_E_FORMAT;
	if (!seq_before(f->sn, accept_end(k)))
		return KCPSHIM_E_STATE;
	if (seq_before(f->sn, k->rcv_nxt) || present(k, f->sn)) {
		k->stat.duplicates++;
		owe_ack(k, f, true, now);
		return 0;
	}
	if (k->fin_seen && (seq_after(f->sn, k->rcv_fin) || (f->fin && f->sn != k->rcv_fin)))
		return KCPSHIM_E_STATE;
	if (f->fin && k->islands > 0 && seq_after(rcv_at(k, k->last_island)->other_end, f->sn))
		return KCPSHIM_E_STATE;
	rc = f->total != 0 ? store_part(k, f) : store(k, f);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (f->fin) {
		k->fin_seen = true;
		k->rcv_fin = f->sn;
	}
	k->stat.segments_received++;
	advance(k);
	if (k->islands > 0)
		size_window(k, now);
	owe_ack(k, f, false, now);
	k->wins_at = KCP_NEVER;
	shrink(k);
	return 0;
}

size_t
kcp_recv_ready(const struct kcp *k)
{
	return k->rcv_bytes;
}

int
kcp_recv_peek(struct kcp *k, struct iovec *iov, int n)
{
	int filled = 0;
	uint32_t off = k->rcv_off;

	for (uint32_t sn = k->rcv_read; sn != k->rcv_nxt && filled < n; sn++, off = 0) {
		struct rcv_slot *s = rcv_at(k, sn);

		if (s->len > 0)
			iov[filled++] = (struct iovec){ s->data + off, s->len - off };
	}
	return filled;
}

/* A peer that sees less than a quarter of the window may be waiting for more; one that sees none surely is. */
static void
owe_window(struct kcp *k, uint64_t now)
{
	uint32_t edge = k->rcv_nxt + kcp_recv_window(k);
	int32_t seen = seq_diff(k->adv_edge, k->rcv_nxt), gain = seq_diff(edge, k->adv_edge);
	uint32_t most = window_beside(k, 0);
	int32_t quarter = (int32_t)(most / 4 > 0 ? most / 4 : 1);

	if (k->fin_received || seen >= quarter || gain < quarter)
		return;
	k->wins_due = true;
	if (seen <= 0) {
		k->wins_left = KCP_WINS_REPEATS;
		k->wins_at = now + rtt_rto(&k->rtt);
	}
}

void
kcp_recv_consume(struct kcp *k, size_t len, uint64_t now)
{
	if (len > k->rcv_bytes)
		len = k->rcv_bytes;
	k->rcv_bytes -= len;
	while (len > 0) {
		struct rcv_slot *s = rcv_at(k, k->rcv_read);
		uint32_t left = s->len - k->rcv_off;

		if (len < left) {
			k->rcv_off += (uint32_t)len;
			break;
		}
		len -= left;
		k->rcv_off = 0;
		slot_release(k, s);
		k->rcv_read++;
	}
	skip_empty(k);
	size_window(k, now);
	advance(k);
	owe_window(k, now);
	shrink(k);
}

bool
kcp_recv_fin_received(const struct kcp *k)
{
	return k->fin_received;
}

bool
kcp_recv_eof(const struct kcp *k)
{
	return k->fin_received && k->rcv_bytes == 0;
}

static void
report(struct kcp *k, struct wire_frame *f, uint32_t first)
{
	struct wire_range *r = &f->ranges[f->nranges++];

	r->first = first;
	r->count = rcv_at(k, first)->other_end - first + 1;
}

/* As RFC 2018 asks of the first SACK block: what came last is what the sender waits to hear of. */
void
kcp_recv_runs(const struct kcp *k, struct wire_frame *f)
{
	f->nranges = 0;
	for (unsigned i = 0; k->runs != NULL && i < KCP_RUNS; i++) {
		struct wire_range r = k->runs[i];
		unsigned at = f->nranges;

		if (r.count == 0 || !seq_after(r.first, k->rcv_nxt) || !present(k, r.first))
			continue;
		for (; at > 0 && seq_after(f->ranges[at - 1].first, r.first); at--)
			f->ranges[at] = f->ranges[at - 1];
		f->ranges[at] = r;
		f->nranges++;
	}
}

/* The island that the walk goes on with. Since the last step it may have grown downwards, and the cursor be its end. */
static uint32_t
walk_from(const struct kcp *k)
{
	uint32_t end;

	if (!present(k, k->cursor))
		return k->first_island;
	end = rcv_at(k, k->cursor)->other_end;
	if (rcv_at(k, end)->other_end != k->cursor)
		return k->first_island;
	return seq_before(end, k->cursor) ? end : k->cursor;
}

/* With more islands than an ACK can name, a cursor walks through them. */
void
kcp_recv_ranges(struct kcp *k, struct wire_frame *f)
{
	uint32_t at;

	f->nranges = 0;
	if (k->islands == 0)
		return;
	at = k->islands > WIRE_ACK_RANGES_MAX ? walk_from(k) : k->first_island;
	for (;;) {
		report(k, f, at);
		if (at == k->last_island) {
			k->cursor = k->first_island;
			break;
		}
		at = rcv_at(k, at)->next;
		if (f->nranges == WIRE_ACK_RANGES_MAX) {
			k->cursor = at;
			break;
		}
	}
}

void
kcp_recv_dispose(struct kcp *k)
{
	for (uint32_t i = 0; i < k->rcv_size; i++)
		slot_release(k, &k->rcv[i]);
	mem_free(k->mem, k->rcv, k->rcv_size * sizeof(*k->rcv));
	mem_free(k->mem, k->acks, k->acks_cap * sizeof(*k->acks));
	mem_free(k->mem, k->runs, KCP_RUNS * sizeof(*k->runs));
	k->rcv = NULL;
	k->runs = NULL;
	k->acks = NULL;
}
