/* Probes of the path's MTU. Sealed sessions: a PING, whose PONG names it, and padding. Plain ones: a WASK with a payload that every
 * peer skips; the WINS that answers it names nothing, so that a single one proves little.
 */
#include "session_impl.h"

#include <string.h>

#include "endpoint_impl.h"
#include "error.h"
#include "mem.h"

#define AUTO_PLAIN 1400u
#define PLAIN_MIN 50u
#define ETHERNET 1500u
#define JUMBO 9000u                       /* what devices with more than Ethernet's 1500 have in common */
#define HEADERS_IPV4 28u
#define HEADERS_IPV6 48u
#define ANSWERS_PLAIN 2u
#define SLACK_US UINT64_C(20000)
#define SLACK_PLAIN_US UINT64_C(250000)   /* such peers answer at the end of their update interval */
#define TIMEOUT_RTT_MAX_US UINT64_C(3000000)
#define NEARLY_FULL 64u

static uint32_t
clamp(uint32_t value, uint32_t least, uint32_t most)
{
	return value < least ? least : value > most ? most : value;
}

static uint32_t
payload(const struct session *s, uint32_t mtu)
{
	return mtu - (s->path.remote.family == 6 ? HEADERS_IPV6 : HEADERS_IPV4);
}

/* A plain session is what it was configured to be until that is seen to fail: its peers have no reason to expect more. */
void
session_pmtu_start(struct session *s, uint32_t configured, uint32_t peer)
{
	uint32_t max = configured;

	if (configured == SESSION_MTU_AUTO || configured == SESSION_MTU_JUMBO)
		max = s->plain ? AUTO_PLAIN : payload(s, configured == SESSION_MTU_JUMBO ? JUMBO : ETHERNET);
	s->jumbo = configured == SESSION_MTU_JUMBO;
	if (peer != 0 && peer < max)
		max = peer;
	s->mtu_max = (uint16_t)clamp(max, s->plain ? PLAIN_MIN : SESSION_MTU_MIN, ENDPOINT_DATAGRAM_MAX);
	s->mtu = s->plain || s->mtu_max < PMTU_BASE_SIZE ? s->mtu_max : PMTU_BASE_SIZE;
}

void
session_pmtu_free(struct session *s)
{
	mem_free(s->endpoint->mem, s->pmtu, sizeof(*s->pmtu));
	s->pmtu = NULL;
}

/* Without memory the path is not looked at. */
static struct pmtu *
search_of(struct session *s)
{
	if (s->pmtu == NULL) {
		s->pmtu = mem_alloc(s->endpoint->mem, sizeof(*s->pmtu));
		if (s->pmtu == NULL)
			return NULL;
		pmtu_init(&s->pmtu->search, s->mtu, s->mtu_max, s->plain ? ANSWERS_PLAIN : 1);
		if (s->jumbo)
			pmtu_expect(&s->pmtu->search, (uint16_t)payload(s, ETHERNET));
	}
	return &s->pmtu->search;
}

static void
apply(struct session *s, uint64_t now)
{
	if (s->kcp != NULL)
		kcp_set_mtu(s->kcp, (uint32_t)(session_seal_room(s, s->mtu) - session_fec_room(s)), now);
	endpoint_mark_due(s);
}

static void
changed(struct session *s, uint64_t now)
{
	/* Answers that are still under way would speak of the path as it was. */
	s->pmtu->token = 0;
	s->mtu = s->pmtu->search.size;
	apply(s, now);
}

void
session_pmtu_restart(struct session *s, uint64_t now)
{
	bool jumbo = s->jumbo;

	session_pmtu_free(s);
	session_pmtu_start(s, s->mtu_max, 0);
	s->jumbo = jumbo;
	apply(s, now);
}

int
session_set_mtu(struct session *s, uint32_t mtu, uint64_t now)
{
	uint16_t passes = s->mtu;

	if (mtu < SESSION_MTU_MIN || mtu > SESSION_MTU_MAX)
		return KCPSHIM_E_RANGE;
	if (s->opening != NULL)
		s->opening->config.mtu = mtu;
	session_pmtu_free(s);
	session_pmtu_start(s, mtu, 0);
	if (passes > s->mtu)
		s->mtu = passes < s->mtu_max ? passes : s->mtu_max;
	apply(s, now);
	return 0;
}

static uint64_t
timeout(const struct session *s)
{
	uint64_t rtt = session_rtt(s);

	/* What was lost for long makes for long round trips; meanwhile the answer to something else would be taken for this one's. */
	if (rtt > TIMEOUT_RTT_MAX_US)
		rtt = TIMEOUT_RTT_MAX_US;
	return rtt + rtt / 2 + (s->plain ? SLACK_PLAIN_US : SLACK_US);
}

static bool
probing(const struct session *s)
{
	return s->pmtu != NULL && s->state == SESSION_ESTABLISHED && !s->unconfirmed && !s->peer_done;
}

uint64_t
session_pmtu_deadline(const struct session *s)
{
	return probing(s) ? s->pmtu->search.at : TIMER_NEVER;
}

static size_t
put_probe(struct session *s, uint8_t *body, size_t room, uint64_t now)
{
	static const uint8_t padding[ENDPOINT_DATAGRAM_MAX];
	struct wire_frame ping = { .type = WIRE_PING, .token = s->pmtu->token + s->pmtu->search.probe };
	struct wire_frame wask = { .type = WIRE_WASK, .data = padding };
	struct wire_writer w;

	wire_writer_init(&w, s->plain ? WIRE_PLAIN : WIRE_SESSION, s->plain ? s->peer_cid : 0, body, room);
	kcp_stamp(s->kcp, &w, now);
	if (s->plain) {
		wask.len = room > WIRE_PLAIN_HEADER ? (uint32_t)(room - WIRE_PLAIN_HEADER) : 0;
		return wire_put(&w, &wask) ? w.len : 0;
	}
	if (!wire_put(&w, &ping))
		return 0;
	memset(w.buf + w.len, 0, w.cap - w.len);
	return w.cap;
}

size_t
session_pmtu_output(struct session *s, uint8_t *buf, size_t cap, uint64_t now)
{
	size_t size, room, len;
	struct pmtu *search;
	uint8_t *body;

	if (!probing(s) || session_fec_due(s))
		return 0;
	search = &s->pmtu->search;
	/* A host that is busy for a while looks like a lost probe; one overtaken by what was sent after it is lost, or nearly. */
	pmtu_expired(search, kcp_send_arrived(s->kcp) > s->pmtu->sent_at, now);
	size = pmtu_due(search, now);
	if (size == 0)
		return 0;
	if (s->pmtu->token == 0)
		s->pmtu->token = random_u64(&s->endpoint->random) | 1;
	pmtu_sent(search, timeout(s), now);
	s->pmtu->sent_at = now;
	s->endpoint->alone = true;
	if (size > cap)
		return 0;
	body = s->plain ? session_plain_begin(s, buf, size, &room) : session_seal_begin(s, buf, size, &room, now);
	len = put_probe(s, body, room, now);
	if (len == 0)
		return 0;
	return s->plain ? session_plain_finish(s, buf, len, now) : session_seal_finish(s, buf, len, now);
}

void
session_pmtu_sent(struct session *s, size_t len, uint64_t now)
{
	bool full = len + NEARLY_FULL >= s->mtu && s->mtu < s->mtu_max, stuck = len > PMTU_MIN_SIZE && kcp_send_stuck(s->kcp);
	struct pmtu *search;

	/* Cut when larger ones passed, and what a number stands for cannot be changed on the plain wire. */
	s->endpoint->fragment = len > s->mtu;
	if ((!full && !stuck) || (search = search_of(s)) == NULL)
		return;
	if (full)
		pmtu_used(search, now);
	if (stuck)
		pmtu_suspect(search, now);
}

static void
answered(struct session *s, uint64_t size, uint64_t now)
{
	if (size <= UINT16_MAX && pmtu_answered(&s->pmtu->search, (uint16_t)size, now))
		changed(s, now);
}

void
session_pmtu_pong(struct session *s, uint64_t token, uint64_t now)
{
	if (s->pmtu != NULL && s->pmtu->token != 0 && s->kcp != NULL)
		answered(s, token - s->pmtu->token, now);
}

void
session_pmtu_wins(struct session *s, uint64_t now)
{
	struct kcp_info info;

	if (s->pmtu == NULL || !s->pmtu->search.waiting)
		return;
	/* It may as well answer a question about the window. */
	kcp_get_info(s->kcp, &info);
	if (info.probes == 0)
		answered(s, s->pmtu->search.probe, now);
}

void
session_pmtu_hint(struct session *s, size_t payload, uint64_t now)
{
	struct pmtu *search;

	if (payload > UINT16_MAX || s->state != SESSION_ESTABLISHED || (search = search_of(s)) == NULL)
		return;
	pmtu_hint(search, (uint16_t)payload, now);
	endpoint_mark_due(s);
}

void
session_pmtu_refused(struct session *s, size_t size, size_t fits, uint64_t now)
{
	struct pmtu *search;

	if (size > UINT16_MAX || s->state != SESSION_ESTABLISHED || (search = search_of(s)) == NULL)
		return;
	if (pmtu_refused(search, (uint16_t)size, (uint16_t)(fits < size ? fits : 0), now))
		changed(s, now);
	endpoint_mark_due(s);
}

bool
endpoint_fragment(const struct endpoint *ep)
{
	return ep->fragment;
}

bool
endpoint_alone(const struct endpoint *ep)
{
	return ep->alone;
}
