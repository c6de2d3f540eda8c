/* kcp: life, configuration and knowledge of one ARQ; its parts are kcp_*.c. */
#include "error.h"
#include "kcp_internal.h"

#define SESSION_WND 4096u
#define PLAIN_WND 1024u
#define MTU_DEFAULT 1400u
#define MTU_MIN 50u
#define SEED_RTT_MAX_US 1000000u

void
kcp_config_default(struct kcp_config *c, enum wire_codec codec)
{
	*c = (struct kcp_config){
		.codec = codec, .mtu = MTU_DEFAULT, .nodelay = true, .interval_us = 10000, .stream = true,
		.snd_wnd = codec == WIRE_PLAIN ? PLAIN_WND : SESSION_WND,
		.rcv_wnd = codec == WIRE_PLAIN ? PLAIN_WND : SESSION_WND,
		.resend = 2, .cc = KCP_CC_AUTO, .redundancy = true,
	};
}

static uint32_t
mss_of(const struct kcp *k, uint32_t mtu)
{
	uint32_t head = (uint32_t)wire_data_overhead(k->cfg.codec);

	return mtu - head - (k->cfg.codec == WIRE_SESSION ? WIRE_SESSION_PREFIX : 0);
}

static uint32_t
clamp_wnd(uint32_t wnd)
{
	return wnd < 1 ? 1 : wnd < KCP_WND_MAX ? wnd : KCP_WND_MAX;
}

static void
apply_windows(struct kcp *k)
{
	uint32_t wnd = k->cfg.snd_wnd;

	if (k->rmt_wnd_max < wnd)
		wnd = k->rmt_wnd_max > 0 ? k->rmt_wnd_max : 1;
	k->cc.mss = k->cfg.mtu + KCP_UDP_OVERHEAD;
	k->cc.wnd = (uint64_t)wnd * k->cc.mss;
}

struct kcp *
kcp_new(struct mem *m, const struct kcp_config *cfg, uint64_t now)
{
	struct kcp *k = mem_alloc(m, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->mem = m;
	k->cfg = *cfg;
	if (k->cfg.mtu < MTU_MIN)
		k->cfg.mtu = MTU_MIN;
	if (k->cfg.mtu > UINT16_MAX)
		k->cfg.mtu = UINT16_MAX;
	k->cfg.snd_wnd = clamp_wnd(cfg->snd_wnd);
	k->cfg.rcv_wnd = clamp_wnd(cfg->rcv_wnd);
	k->cfg.rcv_wnd_max = cfg->rcv_wnd_max < KCP_WND_MAX ? cfg->rcv_wnd_max : KCP_WND_MAX;
	k->mss = mss_of(k, k->cfg.mtu);
	k->rmt_wnd = k->rmt_wnd_max = cfg->rmt_wnd != 0 ? clamp_wnd(cfg->rmt_wnd) : KCP_PLAIN_RMT_WND;
	k->adv_edge = k->promised = k->cfg.rcv_wnd;
	k->rcv_seg = KCP_WND_SEG;
	k->tail_at = k->ack_at = k->probe_at = k->wins_at = k->rack_deadline = KCP_NEVER;
	k->stat.last_progress = now;
	rtt_init(&k->rtt, cfg->nodelay ? KCP_RTO_NODELAY_US : KCP_RTO_MIN_US);
	cc_init(&k->cc, cfg->cc, k->cfg.mtu + KCP_UDP_OVERHEAD, cfg->rate);
	apply_windows(k);
	kcp_pace_set(k);
	kcp_ack_reset(k);
	return k;
}

void
kcp_free(struct kcp *k)
{
	if (k == NULL)
		return;
	kcp_send_dispose(k);
	kcp_recv_dispose(k);
	mem_free(k->mem, k, sizeof(*k));
}

void
kcp_seed_rtt(struct kcp *k, uint64_t rtt_us, uint64_t now)
{
	/* For shorter ones the initial timeout is patient enough; longer ones were rather repetitions of the handshake. */
	if (k->rtt.srtt != 0 || rtt_us < RTT_INITIAL_RTO_US / 2 || rtt_us > SEED_RTT_MAX_US)
		return;
	rtt_sample(&k->rtt, rtt_us, now);
	k->seeded = true;
	cc_seed_rtt(&k->cc, rtt_us);
	kcp_pace_changed(k, now);
}

int
kcp_input(struct kcp *k, const struct wire_frame *f, uint64_t now)
{
	int rc = 0;

	if (f->type > WIRE_WINS)
		return KCPSHIM_E_FORMAT;
	if (k->cfg.codec == WIRE_PLAIN ? !kcp_ack_known(k, f) : f->type == WIRE_ACK || f->type == WIRE_WINS) {
		rc = kcp_ack_frame(k, f, now);
		/* A una from nowhere says nothing against the bytes that came with it. */
		if (rc != 0 && f->type != WIRE_DATA)
			return rc;
		apply_windows(k);
	}
	if (f->type == WIRE_DATA)
		return kcp_recv_data(k, f, now);
	if (f->type == WIRE_WASK)
		k->wins_due = true;
	return 0;
}

void
kcp_input_done(struct kcp *k, uint64_t now)
{
	kcp_ack_done(k, now);
}

int
kcp_set_mtu(struct kcp *k, uint32_t mtu, uint64_t now)
{
	(void)now;
	if (mtu < MTU_MIN || mtu > UINT16_MAX)
		return KCPSHIM_E_RANGE;
	k->cfg.mtu = mtu;
	k->mss = mss_of(k, mtu);
	kcp_send_recut(k);
	apply_windows(k);
	return 0;
}

int
kcp_set_wndsize(struct kcp *k, uint32_t snd_wnd, uint32_t rcv_wnd, uint64_t now)
{
	if (snd_wnd < 1 || snd_wnd > KCP_WND_MAX || rcv_wnd < 1 || rcv_wnd > KCP_WND_MAX)
		return KCPSHIM_E_RANGE;
	if (rcv_wnd > k->cfg.rcv_wnd)
		k->wins_due = true;
	k->cfg.snd_wnd = snd_wnd;
	k->cfg.rcv_wnd = rcv_wnd;
	k->cfg.rcv_wnd_max = 0;
	apply_windows(k);
	kcp_recv_consume(k, 0, now);
	return 0;
}

int
kcp_set_nodelay(struct kcp *k, bool nodelay, uint32_t interval_us, uint32_t resend, uint64_t now)
{
	(void)now;
	if (interval_us < 1000 || interval_us > 5000000)
		return KCPSHIM_E_RANGE;
	k->cfg.nodelay = nodelay;
	k->cfg.interval_us = interval_us;
	k->cfg.resend = resend;
	k->rtt.rto_min = nodelay ? KCP_RTO_NODELAY_US : KCP_RTO_MIN_US;
	return 0;
}

int
kcp_set_cc(struct kcp *k, enum kcp_cc cc, uint64_t rate, uint64_t now)
{
	if (cc > KCP_CC_NONE)
		return KCPSHIM_E_RANGE;
	k->cfg.cc = cc;
	k->cfg.rate = rate;
	cc_set(&k->cc, cc, rate);
	kcp_pace_changed(k, now);
	return 0;
}

void
kcp_set_stream(struct kcp *k, bool stream)
{
	k->cfg.stream = stream || k->cfg.codec == WIRE_SESSION;
}

void
kcp_limit_send_buffer(struct kcp *k, uint32_t bytes)
{
	k->snd_limit = bytes;
}

const struct kcp_config *
kcp_get_config(const struct kcp *k)
{
	return &k->cfg;
}

void
kcp_get_path(const struct kcp *k, uint32_t *loss, uint64_t *srtt_us, uint64_t *min_rtt_us, bool *fills)
{
	*loss = k->lossy;
	*srtt_us = k->rtt.srtt;
	*min_rtt_us = k->rtt.min == UINT64_MAX ? 0 : k->rtt.min;
	*fills = k->app_limited_until == 0;
}

uint64_t
kcp_transmissions(const struct kcp *k)
{
	return k->stat.segments_sent + k->stat.retransmits + k->stat.redundant;
}

void
kcp_spend(struct kcp *k, uint64_t bytes, uint64_t now)
{
	/* The measured rate is of what was delivered, without these: they have their share of the path already, and taking it from the
	 * data once more would make each measurement smaller than the last. A cap is of all. */
	if (k->cc.rate_cap != 0 && k->cc.pacing_rate >= k->cc.rate_cap)
		kcp_pace_sent(k, bytes + KCP_UDP_OVERHEAD, now);
}

uint64_t
kcp_srtt(const struct kcp *k)
{
	return k->seeded ? 0 : k->rtt.srtt;
}

bool
kcp_send_stuck(const struct kcp *k)
{
	const struct snd_seg *s;

	if (k->backoff >= KCP_STUCK_TIMEOUTS)
		return true;
	if (k->snd_una == k->snd_nxt)
		return false;
	s = snd_at(k, k->snd_una);
	return s->state != SEG_ACKED && s->xmit > KCP_STUCK_TRANSMISSIONS;
}

uint64_t
kcp_send_arrived(const struct kcp *k)
{
	return k->rack_sent_at;
}

void
kcp_path_changed(struct kcp *k, uint64_t now)
{
	rtt_init(&k->rtt, k->rtt.rto_min);
	cc_init(&k->cc, k->cfg.cc, k->cfg.mtu + KCP_UDP_OVERHEAD, k->cfg.rate);
	apply_windows(k);
	kcp_pace_set(k);
	k->pace_at_ns = now * 1000;
	k->pace_wake = 0;
	k->seeded = false;
	k->backoff = 0;
	k->lateness = k->lateness_at = 0;
	k->lossy = k->judged = 0;
}

void
kcp_get_info(const struct kcp *k, struct kcp_info *i)
{
	uint64_t cwnd = k->cc.cwnd / k->cc.mss;

	*i = (struct kcp_info){
		.delivery_rate = k->stat.delivery_rate, .last_progress = k->stat.last_progress,
		.segments_sent = k->stat.segments_sent, .segments_received = k->stat.segments_received,
		.retransmits = k->stat.retransmits, .spurious = k->stat.spurious,
		.duplicates = k->stat.duplicates, .redundant = k->stat.redundant,
		.bytes_sent = k->stat.bytes_sent, .bytes_acked = k->stat.bytes_acked, .bytes_received = k->stat.bytes_received,
	};
	i->srtt_us = kcp_srtt(k);
	i->rttvar_us = k->rtt.rttvar;
	i->min_rtt_us = k->rtt.min == UINT64_MAX ? 0 : k->rtt.min;
	i->rto_us = rtt_backoff(rtt_rto(&k->rtt), k->backoff);
	i->pacing_rate = k->cc.pacing_rate;
	i->cwnd = cwnd < UINT32_MAX ? (uint32_t)cwnd : UINT32_MAX;
	i->rmt_wnd = k->rmt_wnd;
	i->inflight = k->sent.count + k->lost.count;
	i->unsent_bytes = k->unsent_bytes;
	i->unacked_bytes = k->snd_bytes - k->unsent_bytes;
	i->readable_bytes = k->rcv_bytes;
	i->probes = k->probes;
	i->backoff = k->backoff;
	i->fin_sent = k->fin_placed && seq_before(k->fin_sn, k->snd_nxt);
	i->fin_acked = k->fin_acked;
}
