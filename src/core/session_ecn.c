/* A probe is a WASK alone in a marked datagram: its answer carries the counts, and its loss harms nothing. */
#include "session_impl.h"

#include "endpoint_impl.h"
#include "mem.h"

#define NEARLY_FULL 64u
#define WAIT_RTTS 2u
#define WAIT_MAX_US UINT64_C(3000000)

void
session_ecn_free(struct session *s)
{
	mem_free(s->endpoint->mem, s->ecn, sizeof(*s->ecn));
	s->ecn = NULL;
}

void
session_ecn_restart(struct session *s)
{
	if (s->ecn != NULL)
		ecn_restart(s->ecn);
}

/* Without memory nothing is marked or counted. */
static struct ecn *
ecn_of(struct session *s)
{
	if (s->ecn == NULL && s->ecn_on)
		s->ecn = mem_alloc(s->endpoint->mem, sizeof(*s->ecn));
	return s->ecn;
}

void
session_ecn_received(struct session *s)
{
	enum ecn_mark mark = (enum ecn_mark)s->endpoint->mark_in;

	if (mark != ECN_NOT_ECT && ecn_of(s) != NULL)
		ecn_received(s->ecn, mark);
}

void
session_ecn_report(struct session *s, const struct ecn_counts *counts, uint64_t now)
{
	if (s->ecn != NULL && ecn_report(s->ecn, counts, (uint32_t)s->tx_pn, session_srtt(s), now) > 0 && session_streaming(s))
		kcp_congested(s->kcp);
}

bool
session_ecn_probe(struct session *s, struct wire_writer *w, uint64_t now)
{
	static const struct wire_frame ask = { .type = WIRE_WASK };

	if (s->ecn == NULL || s->ecn->state != ECN_TESTING || s->state != SESSION_ESTABLISHED || s->unconfirmed || s->roam != NULL ||
	    s->control != 0 || !ecn_probe_due(s->ecn, kcp_send_arrived(s->kcp), now))
		return false;
	kcp_stamp(s->kcp, w, now);
	return wire_put(w, &ask);
}

/* Only where there is room beside a segment: repeated counts are never urgent enough to cut data for. */
static void
put_counts(struct session *s, struct wire_writer *w, const struct ecn_counts *counts)
{
	struct wire_frame f = { .type = WIRE_ECN, .ecn = *counts };
	size_t cap = w->cap;

	if (w->cap > kcp_get_config(s->kcp)->mtu)
		w->cap = kcp_get_config(s->kcp)->mtu;
	if (w->len <= w->cap && wire_put(w, &f))
		ecn_echoed(s->ecn, counts);
	w->cap = cap;
}

void
session_ecn_echo(struct session *s, struct wire_writer *w)
{
	struct ecn_counts counts;

	if (s->ecn != NULL && s->kcp != NULL && ecn_echo(s->ecn, (uint32_t)s->datagrams_received, &counts))
		put_counts(s, w, &counts);
}

static void
probe_sent(struct session *s, uint64_t now)
{
	uint64_t rtt = session_rtt(s);

	ecn_probe_sent(s->ecn, WAIT_RTTS * (rtt < WAIT_MAX_US ? rtt : WAIT_MAX_US), now);
	s->endpoint->mark_out = ECN_ECT0;
}

void
session_ecn_sent(struct session *s, size_t len, bool probe, uint64_t now)
{
	bool full = len + NEARLY_FULL >= s->mtu;

	if (len == 0 || !s->ecn_on || (s->ecn == NULL && (!full || ecn_of(s) == NULL)))
		return;
	if (probe) {
		probe_sent(s, now);
		return;
	}
	if (full)
		ecn_used(s->ecn);
	if (kcp_send_stuck(s->kcp))
		ecn_suspect(s->ecn);
	/* What may go to another address, or asks for it to be proven, is not what the counts are about. */
	if (s->roam == NULL)
		s->endpoint->mark_out = (uint8_t)ecn_mark(s->ecn);
}

void
session_ecn_get(const struct session *s, struct session_info *info)
{
	info->ecn_on = s->ecn_on;
	if (s->ecn != NULL)
		info->ecn = *s->ecn;
}
