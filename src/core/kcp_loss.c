/* kcp_loss: finds what was lost by time (RACK-TLP, RFC 8985), and by timers where few segments are in flight. */
#include "kcp_internal.h"

#define REO_DECAY_US 30000000u /* how long a measured reordering widens the window */
#define REO_MIN_US 1000u

/* Reordering window: a quarter of the least RTT (RFC 8985 7.1), wider where segments were seen to come later than that. */
static uint64_t
reo_wnd(const struct kcp *k, uint64_t now)
{
	uint64_t min = k->rtt.min == UINT64_MAX ? 0 : k->rtt.min, w = min / 4;

	if (k->lateness > 0 && now - k->lateness_at < REO_DECAY_US && w < k->lateness + k->lateness / 4)
		w = k->lateness + k->lateness / 4;
	if (w > k->rtt.srtt)
		w = k->rtt.srtt;
	return w > REO_MIN_US ? w : REO_MIN_US;
}

/* `late`: how much longer a segment took than one sent after it. */
static void
note_late(struct kcp *k, uint64_t late, uint64_t now)
{
	if (late > k->rtt.srtt)
		late = k->rtt.srtt;
	if (late >= k->lateness || now - k->lateness_at >= REO_DECAY_US) {
		k->lateness = (uint32_t)late;
		k->lateness_at = now;
	}
}

void
kcp_loss_arrived(struct kcp *k, uint32_t sn, bool spurious, uint64_t now)
{
	const struct snd_seg *s = snd_at(k, sn);
	uint64_t took = now - s->sent_at;

	if (spurious) {
		bool first_came = s->state == SEG_SENT;

		k->stat.spurious++;
		k->lost_undo = true;
		if (s->flags & SEG_TIMEOUT)
			return;
		if (first_came) {
			/* It was given up after the window and needed until now. */
			took += s->first_age != 0 ? s->first_age : (uint64_t)k->rack_rtt + k->reo_wnd;
			note_late(k, took > k->rack_rtt ? took - k->rack_rtt : 0, now);
			return;
		}
		if (took > k->rack_rtt)
			note_late(k, took - k->rack_rtt, now);
	}
	/* Of several transmissions this may have been an earlier one (RFC 8985 6.2, step 2). */
	if ((s->xmit > 1 || s->copies > 0) && took < k->rtt.min)
		return;
	if (s->sent_at > k->rack_sent_at || (s->sent_at == k->rack_sent_at && seq_after(sn, k->rack_sn))) {
		k->rack_sent_at = s->sent_at;
		k->rack_sn = sn;
		k->rack_rtt = (uint32_t)took;
	} else if (s->xmit == 1 && took > k->rack_rtt && now > k->rack_at) {
		note_late(k, took - k->rack_rtt, now);
	}
	k->rack_at = now;
}

void
kcp_loss_mark(struct kcp *k, uint32_t sn)
{
	struct snd_seg *s = snd_at(k, sn);

	kcp_list_remove(k, &k->sent, sn);
	k->inflight -= seg_bytes(k, s);
	k->ack.lost += seg_bytes(k, s);
	if (kcp_ack_calm(k, s))
		k->ack.calm_lost += seg_bytes(k, s);
	s->state = SEG_LOST;
	kcp_list_append(k, &k->lost, sn);
	k->lost_beyond = false;
}

/* KCP's fast resend: that many later segments arrived. It yields to the window once reordering was seen (RFC 8985 6.2, step 4). */
static bool
skipped(const struct kcp *k, uint32_t sn)
{
	return k->cfg.cc == KCP_CC_KCP && k->cfg.resend > 0 && k->lateness == 0 && snd_at(k, sn)->xmit == 1 &&
	    seq_diff(k->rack_sn, sn) >= (int32_t)k->cfg.resend;
}

void
kcp_loss_detect(struct kcp *k, uint64_t now)
{
	k->rack_deadline = KCP_NEVER;
	k->reo_wnd = (uint32_t)reo_wnd(k, now);
	while (k->sent.count > 0) {
		uint32_t sn = k->sent.head;
		struct snd_seg *s = snd_at(k, sn);
		uint64_t due = skipped(k, sn) ? now : s->sent_at + k->rack_rtt + k->reo_wnd;

		if (s->sent_at > k->rack_sent_at || (s->sent_at == k->rack_sent_at && !seq_before(sn, k->rack_sn)))
			break;
		if (due > now) {
			k->rack_deadline = due;
			break;
		}
		kcp_loss_mark(k, sn);
	}
	if (k->lost_undo) {
		k->lost_undo = false;
		cc_on_spurious(&k->cc);
	}
}

static bool
thin(const struct kcp *k)
{
	return k->sent.count + k->lost.count <= KCP_THIN_SEGMENTS;
}

static uint64_t
base_timeout(const struct kcp *k)
{
	uint64_t slack = 4 * k->rtt.rttvar;

	if (k->rtt.srtt == 0)
		return rtt_rto(&k->rtt);
	if (!thin(k))
		return rtt_rto(&k->rtt) + k->reo_wnd;
	return k->rtt.srtt + (slack > KCP_THIN_SLACK_US ? slack : KCP_THIN_SLACK_US);
}

/* Where acknowledgements keep coming, what is late is for RACK to judge: the timer starts again with each (RFC 6298, 5.3). */
static uint64_t
timeout_at(const struct kcp *k)
{
	uint64_t from;

	if (k->sent.count == 0)
		return KCP_NEVER;
	from = snd_at(k, k->sent.head)->sent_at;
	if (!thin(k) && from < k->stat.last_progress)
		from = k->stat.last_progress;
	return from + rtt_backoff(base_timeout(k), k->backoff);
}

/* RFC 8985 7.2: a tail of many segments is probed before the timeout would repeat all of it. */
static uint64_t
tlp_at(const struct kcp *k)
{
	uint64_t tail;

	if (k->sent.count == 0 || k->lost.count > 0 || thin(k) || k->rtt.srtt == 0 || k->backoff > 0)
		return KCP_NEVER;
	tail = snd_at(k, k->sent.tail)->sent_at;
	if (tail == k->tlp_for || kcp_may_send_new(k))
		return KCP_NEVER;
	return tail + 2 * k->rtt.srtt;
}

static void
on_timeout(struct kcp *k, uint64_t now)
{
	bool again = snd_at(k, k->sent.head)->xmit > 1 || !thin(k);
	uint64_t limit = rtt_backoff(base_timeout(k), k->backoff), inflight = k->inflight;
	uint32_t n = 0;

	while (k->sent.count > 0 && snd_at(k, k->sent.head)->sent_at + limit <= now) {
		snd_at(k, k->sent.head)->flags |= SEG_TIMEOUT;
		kcp_loss_mark(k, k->sent.head);
		n++;
	}
	if (again && k->backoff < 64)
		k->backoff++;
	if (n > KCP_THIN_SEGMENTS || k->backoff > 1) {
		cc_on_timeout(&k->cc, inflight);
		kcp_pace_changed(k, now);
	}
	k->credit = n < 2 ? n : 2;
}

void
kcp_loss_timers(struct kcp *k, uint64_t now)
{
	if (k->rack_deadline <= now)
		kcp_loss_detect(k, now);
	if (timeout_at(k) <= now)
		on_timeout(k, now);
	if (tlp_at(k) <= now) {
		k->tlp_for = snd_at(k, k->sent.tail)->sent_at;
		k->tlp_due = true;
	}
}

void
kcp_path_works(struct kcp *k)
{
	k->backoff = 0;
}

uint64_t
kcp_loss_deadline(const struct kcp *k, uint64_t sends_at)
{
	uint64_t at = k->rack_deadline > sends_at ? k->rack_deadline : sends_at, t = timeout_at(k);

	if (t < at)
		at = t;
	t = tlp_at(k);
	return t < at ? t : at;
}
