/* kcp_cut: what was never sent, cut into other segments when the mtu changes. What an sn means is fixed by its first transmission. */
#include <string.h>

#include "kcp_internal.h"

struct spare {
	struct spare *next;
};

static void
spares_free(struct kcp *k, struct spare *s)
{
	while (s != NULL) {
		struct spare *next = s->next;

		mem_free(k->mem, s, k->mss);
		s = next;
	}
}

static struct spare *
spares_new(struct kcp *k, uint32_t n)
{
	struct spare *list = NULL;

	while (n-- > 0) {
		struct spare *s = mem_alloc_raw(k->mem, k->mss);

		if (s == NULL) {
			spares_free(k, list);
			return NULL;
		}
		s->next = list;
		list = s;
	}
	return list;
}

/* Moves the segment at `sn` so that its parts end before `to`; returns where they begin. */
static uint32_t
split_one(struct kcp *k, uint32_t sn, uint32_t to, struct spare **spares)
{
	struct snd_seg seg = *snd_at(k, sn);
	uint32_t rest = seg.len;
	uint8_t *from = seg.data;

	while (rest > k->mss) {
		uint32_t take = rest % k->mss != 0 ? rest % k->mss : k->mss;
		struct snd_seg *part = snd_at(k, --to);

		*part = seg;
		part->data = (uint8_t *)*spares;
		*spares = (*spares)->next;
		part->cap = (uint16_t)k->mss;
		part->len = (uint16_t)take;
		memcpy(part->data, from + rest - take, take);
		rest -= take;
		seg.flags &= (uint8_t)~SEG_FIN;
		seg.frg = 1;
	}
	seg.len = (uint16_t)rest;
	*snd_at(k, --to) = seg;
	return to;
}

static void
renumber_fragments(struct kcp *k)
{
	unsigned frg = 0;

	for (uint32_t sn = k->snd_end; sn != k->snd_nxt; ) {
		struct snd_seg *s = snd_at(k, --sn);

		frg = s->frg == 0 ? 0 : frg < UINT8_MAX ? frg + 1 : frg;
		s->frg = (uint8_t)frg;
	}
}

static void
split(struct kcp *k)
{
	uint32_t count = k->snd_end - k->snd_nxt, parts = 0, to;
	struct spare *spares;

	for (uint32_t sn = k->snd_nxt; sn != k->snd_end; sn++) {
		uint32_t len = snd_at(k, sn)->len;

		parts += len > k->mss ? (len + k->mss - 1) / k->mss : 1;
	}
	if (parts == count || !kcp_send_grow(k, k->snd_nxt - k->snd_una + parts))
		return;
	spares = spares_new(k, parts - count);
	if (spares == NULL)
		return;
	/* From the back, so that a part never lands on a segment that is still to be read. */
	to = k->snd_nxt + parts;
	for (uint32_t sn = k->snd_end; sn != k->snd_nxt; )
		to = split_one(k, --sn, to, &spares);
	k->snd_end = k->rsv_end = k->snd_nxt + parts;
	if (k->cfg.stream)
		for (uint32_t sn = k->snd_nxt; sn != k->snd_end; sn++)
			snd_at(k, sn)->frg = 0;
	else
		renumber_fragments(k);
}

/* Fills one segment of full size from `from` on, whose first `*off` bytes are taken already. */
static struct snd_seg
pack(struct kcp *k, uint8_t *data, uint32_t *from, uint32_t *off)
{
	struct snd_seg full = { .data = data, .cap = (uint16_t)k->mss, .state = SEG_UNSENT };

	while (*from != k->snd_end && full.len < k->mss) {
		struct snd_seg *s = snd_at(k, *from);
		uint32_t left = s->len - *off, room = k->mss - full.len, take = left < room ? left : room;

		if (take > 0)
			memcpy(full.data + full.len, s->data + *off, take);
		full.len += (uint16_t)take;
		*off += take;
		if (*off < s->len)
			break;
		full.flags |= s->flags;
		mem_free(k->mem, s->data, s->cap);
		s->data = NULL;
		++*from;
		*off = 0;
	}
	return full;
}

/* None is larger than the new size, so that each one filled empties one at least: its place is free. */
static void
merge(struct kcp *k)
{
	uint32_t from = k->snd_nxt, to = k->snd_nxt, off = 0;
	uint8_t *data;

	while (from != k->snd_end && (data = mem_alloc_raw(k->mem, k->mss)) != NULL) {
		struct snd_seg full = pack(k, data, &from, &off);

		*snd_at(k, to++) = full;
	}
	if (off > 0) {
		struct snd_seg *s = snd_at(k, from);

		s->len -= (uint16_t)off;
		memmove(s->data, s->data + off, s->len);
	}
	for (; from != k->snd_end; from++)
		*snd_at(k, to++) = *snd_at(k, from);
	k->snd_end = k->rsv_end = to;
}

void
kcp_send_recut(struct kcp *k)
{
	bool larger = false;

	kcp_send_unreserve(k);
	for (uint32_t sn = k->snd_nxt; sn != k->snd_end; sn++)
		larger |= snd_at(k, sn)->len > k->mss;
	if (larger)
		split(k);
	else if (k->cfg.codec == WIRE_SESSION && k->snd_end - k->snd_nxt > 1)
		merge(k);
	if (k->fin_placed && seq_before(k->snd_nxt, k->snd_end))
		k->fin_sn = k->snd_end - 1;
}
