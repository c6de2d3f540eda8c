/* kcp_tail: thin flows. What few bytes are unacknowledged travels again in the next datagram, and a lone tail once by itself. */
#include "kcp_internal.h"

#define TAIL_SEGMENTS 64u         /* flows with more in flight are no thin ones */
#define TAIL_BYTES_MSS 8u         /* nor those with more bytes than this many full segments */
#define TAIL_COPIES 2u            /* of one segment, where losses come one at a time */
#define TAIL_COPIES_MAX 16u
#define TAIL_CALM 512u            /* segments without a burst after which one copy less is tried */
#define TAIL_WAIT_MIN_US 2000u
#define TAIL_WAIT_MAX_US 10000u
#define TAIL_UNKNOWN 64u          /* first transmissions before the path's loss is believed */
#define TAIL_LOSSLESS (65536u / 500u)
#define GAP_MAX_US 10000000u

/* All transmissions of a segment fell into one burst: only more of them, and so later ones, would have helped. */
static void
judge_burst(struct kcp *k, const struct snd_seg *s)
{
	if (s->xmit > 1 && s->copies >= TAIL_COPIES + k->copies_more) {
		if (k->copies_more < TAIL_COPIES_MAX - TAIL_COPIES)
			k->copies_more += 2;
		k->copies_calm = 0;
	} else if (k->copies_more > 0 && ++k->copies_calm >= TAIL_CALM) {
		k->copies_more--;
		k->copies_calm = 0;
	}
}

void
kcp_tail_judge(struct kcp *k, const struct snd_seg *s, bool lost)
{
	k->lossy -= k->lossy / 256u;
	if (lost)
		k->lossy += 65536u / 256u;
	if (k->judged < TAIL_UNKNOWN)
		k->judged++;
	judge_burst(k, s);
}

static bool
thin(const struct kcp *k)
{
	return k->cfg.redundancy && k->sent.count > 0 && k->sent.count <= TAIL_SEGMENTS && k->inflight <= TAIL_BYTES_MSS * (uint64_t)k->mss &&
	    k->lost.count == 0 && k->snd_nxt == k->snd_end;
}

/* In a stream of messages the next one carries the tail, so a datagram of its own waits until that one is late. */
static uint64_t
wait_us(const struct kcp *k)
{
	uint64_t wait = k->rtt.srtt / 10;

	wait = wait < TAIL_WAIT_MIN_US ? TAIL_WAIT_MIN_US : wait > TAIL_WAIT_MAX_US ? TAIL_WAIT_MAX_US : wait;
	if (k->gap != 0 && k->gap < k->rtt.srtt)
		wait += k->gap + k->gap / 2;
	return wait;
}

void
kcp_tail_arm(struct kcp *k, uint64_t now)
{
	uint64_t gap = now - k->new_at, wait;

	if (k->new_at != 0 && gap < GAP_MAX_US)
		k->gap = (uint32_t)(k->gap != 0 ? (7 * k->gap + gap) / 8 : gap);
	k->new_at = now;
	k->tail_at = KCP_NEVER;
	if (!thin(k) || k->rtt.srtt == 0 || (k->judged >= TAIL_UNKNOWN && k->lossy < TAIL_LOSSLESS))
		return;
	wait = wait_us(k);
	/* Where the acknowledgement is as near, repeating gains nothing. */
	if (2 * wait < k->rtt.srtt || k->gap < k->rtt.srtt)
		k->tail_at = now + wait;
}

/* The oldest first: nothing later is of use to the reader without them. */
void
kcp_tail_carry(struct kcp *k, struct wire_writer *w, uint64_t now)
{
	bool alone = k->tail_at <= now;
	uint8_t copies = alone ? 1 : (uint8_t)(TAIL_COPIES + k->copies_more);

	if (alone)
		k->tail_at = KCP_NEVER;
	if (!thin(k))
		return;
	for (uint32_t sn = k->snd_una; sn != k->snd_nxt; sn++) {
		struct snd_seg *s = snd_at(k, sn);

		if (s->state != SEG_SENT || s->sent_at == now || s->copies >= copies || s->xmit != 1)
			continue;
		if (!kcp_put_seg(k, w, sn))
			break;
		s->copies++;
		s->sent_at = now;
		kcp_list_remove(k, &k->sent, sn);
		kcp_list_append(k, &k->sent, sn);
		k->stat.redundant++;
		kcp_pace_sent(k, seg_bytes(k, s), now);
	}
}
