/* kcp_ack: what the peer acknowledges, and what that says about the path. */
#include "error.h"
#include "kcp_internal.h"

static void
take_rtt(struct kcp *k, uint64_t rtt)
{
	if (rtt > RTT_SAMPLE_MAX_US)
		return;
	if (rtt < k->rtt_min)
		k->rtt_min = (uint32_t)rtt;
	if (rtt > k->rtt_max)
		k->rtt_max = (uint32_t)rtt;
}

/* Rate sample of draft-ietf-ccwg-bbr: the newest segment sent decides. */
static void
sample_rate(struct kcp *k, const struct snd_seg *s)
{
	if (s->sent_at < k->ack_newest)
		return;
	k->ack_newest = s->sent_at;
	k->ack.prior_delivered = s->delivered;
	k->ack.app_limited = s->app_limited;
	k->sample_delivered_at = s->delivered_at;
	k->sample_send_elapsed = (uint32_t)(s->sent_at - s->first_sent);
	k->first_sent = s->sent_at;
}

bool
kcp_ack_calm(const struct kcp *k, const struct snd_seg *s)
{
	return (uint32_t)s->sent_at - k->cc.calm_from < k->cc.calm_to - k->cc.calm_from;
}

/* The peer has `sn`. `echo`: the clock of the datagram that brought it, when has_echo. */
static void
seg_acked(struct kcp *k, uint32_t sn, bool has_echo, uint32_t echo, uint64_t now)
{
	struct snd_seg *s = snd_at(k, sn);
	uint32_t bytes = seg_bytes(k, s);
	bool spurious = (s->flags & SEG_RTX) != 0 && has_echo && seq_before(echo, (uint32_t)s->sent_at);

	snd_prefetch(k, sn);
	kcp_loss_arrived(k, sn, spurious || s->state == SEG_LOST, now);
	if (s->state == SEG_SENT) {
		kcp_list_remove(k, &k->sent, sn);
		k->inflight -= bytes;
	} else {
		kcp_list_remove(k, &k->lost, sn);
	}
	/* Each segment's own time: the echo of the newest datagram would tell only of those that were not overtaken. */
	if (k->cfg.codec == WIRE_SESSION && s->xmit == 1 && s->copies == 0)
		take_rtt(k, now - s->sent_at - (has_echo && echo == (uint32_t)s->sent_at ? k->ack_delay : 0));
	else if (spurious && s->xmit == 2 && s->first_age != 0 && k->sent.count > KCP_THIN_SEGMENTS)
		/* Without these, only the fast ones would be measured where many come late. In a thin flow it was rather the
		 * acknowledgement that got lost. */
		take_rtt(k, now - s->sent_at + s->first_age);
	if (s->xmit > 1 || (s->copies > 0 && has_echo))
		kcp_tail_judge(k, s, s->xmit > 1 || !seq_before(echo, (uint32_t)s->sent_at));
	else
		kcp_tail_judge(k, s, false);
	k->delivered += bytes;
	k->delivered_at = now;
	k->ack.acked += bytes;
	if (kcp_ack_calm(k, s))
		k->ack.calm_acked += bytes;
	k->stat.bytes_acked += s->len;
	k->snd_bytes -= s->len;
	sample_rate(k, s);
	if (s->flags & SEG_FIN)
		k->fin_acked = true;
	mem_free(k->mem, s->data, s->cap);
	s->data = NULL;
	s->state = SEG_ACKED;
	s->next = sn + 1;
}

static void
acked_until(struct kcp *k, uint32_t una, bool has_echo, uint32_t echo, uint64_t now)
{
	/* Counted within what was sent: a number half the space away is neither before nor after. */
	for (; una != k->snd_una && una - k->snd_una <= k->snd_nxt - k->snd_una; k->snd_una++) {
		struct snd_seg *s = snd_at(k, k->snd_una);

		if (s->state == SEG_ACKED)
			continue;
		if (s->xmit == 1 && s->copies == 0)
			k->una_rtt = now - s->sent_at < UINT32_MAX ? (uint32_t)(now - s->sent_at) : 0;
		seg_acked(k, k->snd_una, has_echo, echo, now);
	}
	while (k->snd_una != k->snd_nxt && snd_at(k, k->snd_una)->state == SEG_ACKED)
		k->snd_una++;
}

static void
take_window(struct kcp *k, const struct wire_frame *f)
{
	uint32_t wnd = f->wnd < KCP_WND_MAX ? f->wnd : KCP_WND_MAX;
	uint32_t behind = k->snd_una - f->una;

	/* ikcp counts the window from una; ours may have run ahead by single acknowledgements. */
	if (seq_before(f->una, k->wnd_una))
		return;
	k->wnd_una = f->una;
	k->lost_beyond = false;
	k->rmt_wnd = wnd > behind ? wnd - behind : 0;
	if (wnd > k->rmt_wnd_max)
		k->rmt_wnd_max = wnd;
	k->probes = 0;
	if (k->rmt_wnd > 0)
		k->probe_at = KCP_NEVER;
}

static void
take_ranges(struct kcp *k, const struct wire_frame *f, uint64_t now)
{
	for (unsigned i = 0; i < f->nranges; i++) {
		uint32_t sn = f->ranges[i].first, end = sn + f->ranges[i].count;

		if (seq_before(sn, k->snd_una))
			sn = k->snd_una;
		if (seq_after(end, k->snd_nxt))
			end = k->snd_nxt;
		for (sn = kcp_next_unacked(k, sn, end); seq_before(sn, end); sn = kcp_next_unacked(k, sn + 1, end))
			seg_acked(k, sn, f->has_ts, f->ts, now);
	}
}

static int
take_session(struct kcp *k, const struct wire_frame *f, uint64_t now)
{
	uint64_t acked = k->ack.acked;
	uint32_t age = (uint32_t)now - f->ts;

	k->ack_delay = f->ts_delay_us <= age ? f->ts_delay_us : 0;
	acked_until(k, f->una, f->has_ts, f->ts, now);
	take_ranges(k, f, now);
	if (k->rtt_min == UINT32_MAX && f->has_ts && k->ack.acked != acked && age >= f->ts_delay_us)
		take_rtt(k, age - f->ts_delay_us);
	acked_until(k, k->snd_una, false, 0, now);
	return 0;
}

static int
take_plain_ack(struct kcp *k, const struct wire_frame *f, uint64_t now)
{
	uint32_t age = (uint32_t)now - f->ts;

	if (!seq_before(f->sn, k->snd_nxt))
		return KCPSHIM_E_STATE;
	if (seq_before(f->sn, k->snd_una) || snd_at(k, f->sn)->state == SEG_ACKED)
		return 0;
	take_rtt(k, age);
	seg_acked(k, f->sn, true, f->ts, now);
	return 0;
}

int
kcp_ack_frame(struct kcp *k, const struct wire_frame *f, uint64_t now)
{
	int rc = 0;
	bool plain_ack = k->cfg.codec == WIRE_PLAIN && f->type == WIRE_ACK;

	if (seq_after(f->una, k->snd_nxt))
		return KCPSHIM_E_STATE;
	k->input_seen = true;
	if (k->cfg.codec == WIRE_SESSION) {
		rc = take_session(k, f, now);
	} else {
		/* The echo belongs to f->sn alone, but it also tells that nothing older is still on its way there. */
		if (plain_ack)
			rc = take_plain_ack(k, f, now);
		acked_until(k, f->una, false, 0, now);
	}
	take_window(k, f);
	return rc;
}

static uint64_t
rate_sample(struct kcp *k)
{
	uint64_t elapsed = k->delivered_at - k->sample_delivered_at;

	k->ack.queued = elapsed > k->sample_send_elapsed + k->sample_send_elapsed / 8;
	if (k->sample_send_elapsed > elapsed)
		elapsed = k->sample_send_elapsed;
	/* One that overtook the others saw a lump of their acknowledgements, no rate. */
	if (elapsed == 0 || elapsed < k->rtt.srtt / 2)
		return 0;
	return (k->delivered - k->ack.prior_delivered) * 1000000u / elapsed;
}

void
kcp_ack_done(struct kcp *k, uint64_t now)
{
	struct cc_ack *a = &k->ack;
	bool ce = a->ce;

	if (!k->input_seen)
		return;
	k->input_seen = false;
	if (k->seeded && (k->rtt_min != UINT32_MAX || k->una_rtt != 0)) {
		rtt_init(&k->rtt, k->rtt.rto_min);
		k->seeded = false;
	}
	if (k->rtt.srtt == 0 && k->rtt_min != UINT32_MAX)
		cc_seed_rtt(&k->cc, k->rtt_min);
	if (k->rtt_min != UINT32_MAX) {
		/* Of several samples both ends count: a peer that acknowledges late must not look like loss. */
		if (k->rtt_max > k->rtt_min + k->rtt_min / 8)
			rtt_sample(&k->rtt, k->rtt_max, now);
		rtt_sample(&k->rtt, k->rtt_min, now);
	} else if (k->una_rtt != 0) {
		rtt_sample(&k->rtt, k->una_rtt, now);
	}
	if (a->acked > 0) {
		k->stat.last_progress = now;
		k->backoff = 0;
		if (k->app_limited_until != 0 && k->delivered > k->app_limited_until)
			k->app_limited_until = 0;
	}
	kcp_loss_detect(k, now);
	if (a->acked > 0 || a->lost > 0) {
		a->now = now;
		a->delivered = k->delivered;
		a->inflight = k->inflight;
		a->sent = (uint32_t)k->ack_newest;
		a->srtt = (uint32_t)k->rtt.srtt;
		a->rtt = k->rtt_min != UINT32_MAX ? k->rtt_min : 0;
		a->rate = a->acked > 0 ? rate_sample(k) : 0;
		if (a->rate > 0)
			k->stat.delivery_rate = a->rate;
		cc_on_ack(&k->cc, a);
		ce = false;
		kcp_pace_changed(k, now);
	}
	kcp_ack_reset(k);
	k->ack.ce = ce;
	kcp_send_shrink(k);
}

void
kcp_ack_reset(struct kcp *k)
{
	k->ack = (struct cc_ack){ 0 };
	k->ack_newest = 0;
	k->rtt_min = UINT32_MAX;
	k->rtt_max = 0;
	k->una_rtt = 0;
}

void
kcp_congested(struct kcp *k)
{
	k->ack.ce = true;
}
