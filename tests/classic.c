#include "classic.h"

#include <stdlib.h>
#include <string.h>

#include "core/seq.h"
#include "core/wire.h"

#define RING 131072u
#define RTO_INITIAL 200u
#define RTO_MAX 60000u

struct seg {
	uint16_t len;
	bool acked, sent;
	uint32_t xmit, fastack, rto;
	uint32_t resend_at, ts;   /* ms */
};

struct classic {
	struct classic_config cfg;
	struct seg *ring;
	uint32_t una, nxt, end;
	uint32_t rmt_wnd, cwnd, ssthresh, incr, mss;
	uint32_t srtt, rttvar, rto, rto_min;
	uint32_t cursor;          /* of the present flush */
	bool flushing, lost, changed;
	uint64_t next_flush;      /* us */
	uint64_t retransmits;
};

static uint32_t
min32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static struct seg *
at(struct classic *c, uint32_t sn)
{
	return &c->ring[sn % RING];
}

struct classic *
classic_new(const struct classic_config *cfg)
{
	struct classic *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->ring = calloc(RING, sizeof(*c->ring))) == NULL)
		abort();
	c->cfg = *cfg;
	c->mss = cfg->mtu - WIRE_PLAIN_HEADER;
	c->rmt_wnd = 128;
	c->ssthresh = 2;
	c->rto = RTO_INITIAL;
	c->rto_min = cfg->nodelay ? 30 : 100;
	return c;
}

void
classic_free(struct classic *c)
{
	free(c->ring);
	free(c);
}

size_t
classic_room(const struct classic *c)
{
	uint32_t queued = c->end - c->una;

	/* As programs around ikcp do: they stop writing at twice the send window. */
	return queued < 2 * c->cfg.snd_wnd ? (size_t)(2 * c->cfg.snd_wnd - queued) * c->mss : 0;
}

void
classic_write(struct classic *c, size_t len)
{
	while (len > 0) {
		uint32_t take = len < c->mss ? (uint32_t)len : c->mss;

		*at(c, c->end) = (struct seg){ .len = (uint16_t)take };
		c->end++;
		len -= take;
	}
}

static void
take_rtt(struct classic *c, int32_t rtt)
{
	uint32_t delta;

	if (rtt < 0)
		return;
	if (c->srtt == 0) {
		c->srtt = (uint32_t)rtt;
		c->rttvar = (uint32_t)rtt / 2;
	} else {
		delta = (uint32_t)abs(rtt - (int32_t)c->srtt);
		c->rttvar = (3 * c->rttvar + delta) / 4;
		c->srtt = (7 * c->srtt + (uint32_t)rtt) / 8;
		if (c->srtt < 1)
			c->srtt = 1;
	}
	c->rto = c->srtt + (c->cfg.interval_ms > 4 * c->rttvar ? c->cfg.interval_ms : 4 * c->rttvar);
	if (c->rto < c->rto_min)
		c->rto = c->rto_min;
	c->rto = min32(c->rto, RTO_MAX);
}

static void
shrink(struct classic *c)
{
	while (c->una != c->nxt && at(c, c->una)->acked)
		c->una++;
}

static void
grow_cwnd(struct classic *c, uint32_t before)
{
	if (!seq_after(c->una, before) || c->cwnd >= c->rmt_wnd)
		return;
	if (c->cwnd < c->ssthresh) {
		c->cwnd++;
		c->incr += c->mss;
	} else {
		if (c->incr < c->mss)
			c->incr = c->mss;
		c->incr += c->mss * c->mss / c->incr + c->mss / 16;
		if ((c->cwnd + 1) * c->mss <= c->incr)
			c->cwnd = (c->incr + c->mss - 1) / c->mss;
	}
	if (c->cwnd > c->rmt_wnd) {
		c->cwnd = c->rmt_wnd;
		c->incr = c->rmt_wnd * c->mss;
	}
}

void
classic_input(struct classic *c, const uint8_t *buf, size_t len, uint64_t now)
{
	uint32_t before = c->una, max_ack = 0, max_ts = 0;
	struct wire_reader r;
	struct wire_frame f;
	bool acked = false;

	wire_reader_init(&r, WIRE_PLAIN, c->cfg.conv, buf, len);
	while (wire_next(&r, &f) > 0) {
		c->rmt_wnd = f.wnd;
		for (uint32_t sn = c->una; seq_before(sn, f.una) && sn != c->nxt; sn++)
			at(c, sn)->acked = true;
		shrink(c);
		if (f.type != WIRE_ACK)
			continue;
		take_rtt(c, (int32_t)((uint32_t)(now / 1000) - f.ts));
		if (!seq_before(f.sn, c->una) && seq_before(f.sn, c->nxt))
			at(c, f.sn)->acked = true;
		shrink(c);
		if (!acked || seq_after(f.sn, max_ack)) {
			max_ack = f.sn;
			max_ts = f.ts;
			acked = true;
		}
	}
	for (uint32_t sn = c->una; acked && seq_before(sn, max_ack) && sn != c->nxt; sn++)
		if (!at(c, sn)->acked && !seq_after(at(c, sn)->ts, max_ts))
			at(c, sn)->fastack++;
	grow_cwnd(c, before);
}

/* Whether the segment leaves in this flush, by the three reasons of ikcp_flush(). */
static bool
due(struct classic *c, struct seg *s, uint32_t now)
{
	if (s->xmit == 0) {
		s->rto = c->rto;
		s->resend_at = now + s->rto + (c->cfg.nodelay ? 0 : c->rto >> 3);
		return true;
	}
	if ((int32_t)(now - s->resend_at) >= 0) {
		s->rto += c->cfg.nodelay ? s->rto / 2 : s->rto > c->rto ? s->rto : c->rto;
		s->resend_at = now + s->rto;
		c->lost = true;
		return true;
	}
	if (c->cfg.resend > 0 && s->fastack >= c->cfg.resend && s->xmit <= 5) {
		s->fastack = 0;
		s->resend_at = now + s->rto;
		c->changed = true;
		return true;
	}
	return false;
}

static void
flush_end(struct classic *c)
{
	uint32_t cwnd = min32(c->cfg.snd_wnd, c->rmt_wnd);

	if (c->changed) {
		c->ssthresh = (c->nxt - c->una) / 2 > 2 ? (c->nxt - c->una) / 2 : 2;
		c->cwnd = c->ssthresh + c->cfg.resend;
		c->incr = c->cwnd * c->mss;
	}
	if (c->lost) {
		c->ssthresh = cwnd / 2 > 2 ? cwnd / 2 : 2;
		c->cwnd = 1;
		c->incr = c->mss;
	}
	if (c->cwnd < 1) {
		c->cwnd = 1;
		c->incr = c->mss;
	}
	c->flushing = false;
}

size_t
classic_output(struct classic *c, uint8_t *buf, uint64_t now)
{
	static const uint8_t zero[65536];
	uint32_t ms = (uint32_t)(now / 1000), wnd = min32(c->cfg.snd_wnd, c->rmt_wnd);
	struct wire_writer w;

	if (!c->flushing) {
		if (now < c->next_flush)
			return 0;
		c->next_flush = (now / 1000 / c->cfg.interval_ms + 1) * c->cfg.interval_ms * 1000;
		c->flushing = true;
		c->lost = c->changed = false;
		c->cursor = c->una;
	}
	if (!c->cfg.nc)
		wnd = min32(wnd, c->cwnd);
	while (c->nxt != c->end && seq_before(c->nxt, c->una + wnd))
		at(c, c->nxt++)->sent = true;
	wire_writer_init(&w, WIRE_PLAIN, c->cfg.conv, buf, c->cfg.mtu);
	wire_writer_stamp(&w, 0, 128, ms);
	if (seq_before(c->cursor, c->una))
		c->cursor = c->una;
	for (; c->cursor != c->nxt; c->cursor++) {
		struct seg *s = at(c, c->cursor);
		struct wire_frame f = { .type = WIRE_DATA, .sn = c->cursor, .data = zero, .len = s->len };

		if (wire_writer_data_room(&w) < s->len)
			return w.len;
		if (s->acked || !due(c, s, ms))
			continue;
		if (s->xmit++ > 0)
			c->retransmits++;
		s->ts = ms;
		wire_put(&w, &f);
	}
	flush_end(c);
	return w.len;
}

uint64_t
classic_deadline(const struct classic *c, uint64_t now)
{
	return c->flushing ? now : c->una == c->end ? UINT64_MAX : c->next_flush;
}

uint64_t
classic_retransmits(const struct classic *c)
{
	return c->retransmits;
}
