/* kcp_send: the stream on its way out, cut into segments in a ring indexed by sn. */
#include <string.h>

#include "error.h"
#include "kcp_internal.h"

#define SND_BUF_WINDOWS 2u

void
kcp_list_append(struct kcp *k, struct seg_list *l, uint32_t sn)
{
	struct snd_seg *s = snd_at(k, sn);

	s->prev = l->tail;
	s->next = sn;
	if (l->count++ == 0)
		l->head = s->prev = sn;
	else
		snd_at(k, l->tail)->next = sn;
	l->tail = sn;
}

void
kcp_list_remove(struct kcp *k, struct seg_list *l, uint32_t sn)
{
	struct snd_seg *s = snd_at(k, sn);

	l->count--;
	if (l->head == sn)
		l->head = s->next;
	else
		snd_at(k, s->prev)->next = l->tail == sn ? s->prev : s->next;
	if (l->tail == sn)
		l->tail = s->prev;
	else
		snd_at(k, s->next)->prev = l->head == s->next ? s->next : s->prev;
}

/* Acknowledged runs are skipped as in a union-find with path halving, so a range that is reported again costs next to nothing. */
uint32_t
kcp_next_unacked(struct kcp *k, uint32_t sn, uint32_t end)
{
	while (seq_before(sn, end) && snd_at(k, sn)->state == SEG_ACKED) {
		struct snd_seg *s = snd_at(k, sn);
		uint32_t next = s->next;

		if (seq_before(next, end) && snd_at(k, next)->state == SEG_ACKED)
			s->next = snd_at(k, next)->next;
		sn = next;
	}
	return seq_before(sn, end) ? sn : end;
}

bool
kcp_send_grow(struct kcp *k, uint32_t need)
{
	uint32_t size = k->snd_size != 0 ? k->snd_size : KCP_RING_MIN;
	struct snd_seg *ring;

	while (size < need)
		size *= 2;
	if (size == k->snd_size)
		return true;
	ring = mem_alloc(k->mem, size * sizeof(*ring));
	if (ring == NULL)
		return false;
	for (uint32_t sn = k->snd_una; sn != k->rsv_end; sn++)
		ring[sn & (size - 1)] = *snd_at(k, sn);
	mem_free(k->mem, k->snd, k->snd_size * sizeof(*ring));
	k->snd = ring;
	k->snd_size = size;
	return true;
}

static bool
seg_new(struct kcp *k, uint32_t sn, uint32_t cap)
{
	struct snd_seg *s;

	if (!kcp_send_grow(k, sn - k->snd_una + 1))
		return false;
	s = snd_at(k, sn);
	memset(s, 0, sizeof(*s));
	if (cap > 0) {
		s->data = mem_alloc_raw(k->mem, cap);
		if (s->data == NULL)
			return false;
	}
	s->cap = (uint16_t)cap;
	s->state = SEG_UNSENT;
	return true;
}

static void
seg_release(struct kcp *k, struct snd_seg *s)
{
	mem_free(k->mem, s->data, s->cap);
	s->data = NULL;
}

void
kcp_send_unreserve(struct kcp *k)
{
	while (k->rsv_end != k->snd_end)
		seg_release(k, snd_at(k, --k->rsv_end));
	k->snd_first_room = 0;
}

/* Room in the last segment, when that may still grow. */
static uint32_t
tail_room(const struct kcp *k)
{
	const struct snd_seg *s;
	uint32_t limit;

	if (!k->cfg.stream || k->snd_end == k->snd_nxt)
		return 0;
	s = snd_at(k, k->snd_end - 1);
	limit = s->cap < k->mss ? s->cap : k->mss;
	return s->len < limit ? limit - s->len : 0;
}

static uint64_t
send_buffer(const struct kcp *k)
{
	uint64_t wnd = (uint64_t)k->cfg.snd_wnd * k->mss;

	if (k->snd_limit != 0)
		return k->snd_limit < wnd ? k->snd_limit : wnd;
	if (k->cfg.snd_buf == 0)
		return wnd;
	/* What was lost and waits for its second round trip must not keep the window from being used (tcp_sndbuf_expand of Linux). */
	if (SND_BUF_WINDOWS * k->cc.cwnd > k->cfg.snd_buf)
		return SND_BUF_WINDOWS * k->cc.cwnd < wnd ? SND_BUF_WINDOWS * k->cc.cwnd : wnd;
	return k->cfg.snd_buf;
}

size_t
kcp_send_room(const struct kcp *k)
{
	uint32_t used = k->snd_end - k->snd_una;
	uint64_t room = 0, left;

	if (k->fin_queued || k->snd_bytes >= send_buffer(k))
		return 0;
	left = send_buffer(k) - k->snd_bytes;
	if (used < k->cfg.snd_wnd)
		room = (uint64_t)(k->cfg.snd_wnd - used) * k->mss;
	room += tail_room(k);
	return room < left ? room : left;
}

bool
kcp_send_roomy(const struct kcp *k)
{
	size_t room = kcp_send_room(k);

	return room > 0 && (room >= KCP_ROOMY || room >= k->snd_bytes);
}

/* A message has to fit the peer's reading queue whole, or a peer that waits for all of it deadlocks. */
static uint32_t
message_fragments(const struct kcp *k)
{
	uint32_t half = k->rmt_wnd_max / 2;

	if (half > KCP_FRAGMENTS_MAX)
		half = KCP_FRAGMENTS_MAX;
	return half > 0 ? half : 1;
}

int
kcp_send_reserve(struct kcp *k, struct iovec *iov, int n, size_t max)
{
	size_t room = kcp_send_room(k), take;
	int filled = 0;

	kcp_send_unreserve(k);
	if (room > max)
		room = max;
	if (!k->cfg.stream && room > (size_t)message_fragments(k) * k->mss)
		room = (size_t)message_fragments(k) * k->mss;
	take = tail_room(k);
	if (take > 0 && room > 0 && n > 0) {
		struct snd_seg *s = snd_at(k, k->snd_end - 1);

		take = take < room ? take : room;
		k->snd_first_room = (uint32_t)take;
		iov[filled++] = (struct iovec){ s->data + s->len, take };
		room -= take;
	}
	while (room > 0 && filled < n && k->rsv_end - k->snd_una < k->cfg.snd_wnd && seg_new(k, k->rsv_end, k->mss)) {
		take = k->mss < room ? k->mss : room;
		iov[filled++] = (struct iovec){ snd_at(k, k->rsv_end)->data, take };
		k->rsv_end++;
		room -= take;
	}
	return filled;
}

static void
number_fragments(struct kcp *k, uint32_t first)
{
	for (uint32_t sn = first; sn != k->snd_end; sn++)
		snd_at(k, sn)->frg = (uint8_t)(k->snd_end - 1 - sn);
}

void
kcp_send_commit(struct kcp *k, size_t len, uint64_t now)
{
	uint32_t first = k->snd_end;
	size_t left = len, take;

	if (k->snd_end == k->snd_una && len > 0)
		k->stat.last_progress = now;
	if (k->snd_first_room > 0) {
		take = left < k->snd_first_room ? left : k->snd_first_room;
		snd_at(k, k->snd_end - 1)->len += (uint16_t)take;
		left -= take;
	}
	while (left > 0 && k->snd_end != k->rsv_end) {
		struct snd_seg *s = snd_at(k, k->snd_end);

		take = left < k->mss ? left : k->mss;
		s->len = (uint16_t)take;
		left -= take;
		k->snd_end++;
	}
	if (!k->cfg.stream)
		number_fragments(k, first);
	len -= left;
	k->snd_bytes += len;
	k->unsent_bytes += len;
	k->stat.bytes_sent += len;
	kcp_send_unreserve(k);
}

void
kcp_send_place_fin(struct kcp *k)
{
	if (!k->fin_queued || k->fin_placed)
		return;
	if (k->snd_end == k->snd_nxt) {
		if (!seg_new(k, k->snd_end, 0))
			return;
		k->rsv_end = ++k->snd_end;
	}
	k->fin_placed = true;
	k->fin_sn = k->snd_end - 1;
	snd_at(k, k->fin_sn)->flags |= SEG_FIN;
}

int
kcp_send_fin(struct kcp *k, uint64_t now)
{
	if (k->fin_queued || k->cfg.codec != WIRE_SESSION)
		return KCPSHIM_E_STATE;
	kcp_send_unreserve(k);
	if (k->snd_end == k->snd_una)
		k->stat.last_progress = now;
	k->fin_queued = true;
	kcp_send_place_fin(k);
	return 0;
}

int
kcp_send_empty(struct kcp *k, uint64_t now)
{
	if (k->fin_queued)
		return KCPSHIM_E_STATE;
	kcp_send_unreserve(k);
	if (!seg_new(k, k->snd_end, 0))
		return KCPSHIM_E_NOMEM;
	if (k->snd_end == k->snd_una)
		k->stat.last_progress = now;
	k->rsv_end = ++k->snd_end;
	return 0;
}

void
kcp_set_cork(struct kcp *k, bool on, uint64_t now)
{
	(void)now;
	k->cork = on;
}

void
kcp_send_dispose(struct kcp *k)
{
	kcp_send_unreserve(k);
	for (uint32_t sn = k->snd_una; sn != k->snd_end; sn++)
		seg_release(k, snd_at(k, sn));
	mem_free(k->mem, k->snd, k->snd_size * sizeof(*k->snd));
	k->snd = NULL;
	k->snd_size = 0;
}

void
kcp_send_shrink(struct kcp *k)
{
	if (k->snd_size == 0 || k->snd_una != k->rsv_end)
		return;
	kcp_send_dispose(k);
}

bool
kcp_send_drained(const struct kcp *k)
{
	return k->snd_una == k->snd_end && (!k->fin_queued || k->fin_acked);
}
