/* What an ICMP error may do to a session: nobody signs them, so that all but the first flight only make it ask its peer. */
#include "session_impl.h"

#include "bytes.h"
#include "endpoint_impl.h"
#include "error.h"

#define PROBE_GAP_MIN_US UINT64_C(1000)
#define PROBE_GAP_MAX_US UINT64_C(1000000)
#define PROBE_SERIES_US UINT64_C(10000000)

void
session_icmp_forget(struct session *s)
{
	s->probes = s->refused = 0;
	s->clocks[SESSION_CLOCK_PROBE] = TIMER_NEVER;
}

static uint32_t
series_age(const struct session *s, uint64_t now)
{
	return (uint32_t)now - s->icmp_at;
}

/* A live peer answers the first probe within an RTT, so a series that lasts one without an answer means that none is there;
 * an attacker who forges ICMP errors cannot suppress that answer. */
static bool
peer_is_gone(const struct session *s, uint64_t now)
{
	return s->refused >= SESSION_PROBES && series_age(s, now) >= session_rtt(s);
}

static void
send_probe(struct session *s, uint64_t now)
{
	uint64_t gap = session_rtt(s) / SESSION_PROBES;

	if (gap < PROBE_GAP_MIN_US)
		gap = PROBE_GAP_MIN_US;
	/* Kernels limit how many ICMP errors they send: keep asking, ever more slowly. */
	if (s->probes >= SESSION_PROBES)
		gap <<= s->probes - SESSION_PROBES < 10 ? s->probes - SESSION_PROBES + 1 : 10;
	if (gap > PROBE_GAP_MAX_US)
		gap = PROBE_GAP_MAX_US;
	if (s->probes < UINT8_MAX)
		s->probes++;
	s->clocks[SESSION_CLOCK_PROBE] = now + gap;
	session_ping(s, now);
}

void
session_icmp_probe(struct session *s, uint64_t now)
{
	if (s->state != SESSION_ESTABLISHED || s->probes == 0)
		return;
	if (peer_is_gone(s, now))
		session_end(s, KCPSHIM_E_RESET, false, now);
	else if (series_age(s, now) >= PROBE_SERIES_US)
		session_icmp_forget(s);
	else
		send_probe(s, now);
}

/* How many datagrams ago the quoted one was sent, 1: the newest. 0: the quote is none of what this session sent. */
static uint32_t
quoted_age(const struct session *s, const uint8_t *quote, size_t len)
{
	uint32_t age;

	if (len < SESSION_HEADER_LEN || bytes_get32(quote) != s->peer_cid || (quote[4] & ~1u) != SESSION_KIND_DATA)
		return 0;
	age = (uint32_t)s->tx_pn - bytes_get32(quote + 5);
	return age <= s->tx_pn ? age : 0;
}

/* Routers may quote no more than the UDP header, so a short quote is as good as none. */
static bool
quotes_opening(const struct session *s, const uint8_t *quote, size_t len)
{
	return s->plain || len <= sizeof(uint32_t) || (bytes_get32(quote) == s->cid && quote[4] == HANDSHAKE_KIND_INIT);
}

static void
icmp_established(struct session *s, const uint8_t *quote, size_t len, uint64_t now)
{
	uint32_t age = s->plain ? 1 : quoted_age(s, quote, len);

	/* What the peer said from elsewhere proves that it lives, and explains why it is not where it was. */
	if (age == 0 || s->roam != NULL)
		return;
	if (s->probes == 0) {
		s->icmp_at = (uint32_t)now;
		s->icmp_pn = (uint32_t)s->tx_pn;
		s->refused = 0;
		send_probe(s, now);
		return;
	}
	if (s->refused < s->probes && (s->plain || age <= (uint32_t)s->tx_pn - s->icmp_pn))
		s->refused++;
	if (peer_is_gone(s, now))
		session_end(s, KCPSHIM_E_RESET, false, now);
}

void
session_icmp(struct session *s, int error, const uint8_t *quote, size_t len, uint64_t now)
{
	switch (s->state) {
	case SESSION_CONNECTING:
		if (quotes_opening(s, quote, len))
			session_end(s, error, false, now);
		break;
	case SESSION_ESTABLISHED:
		/* An unreachable host or network may come back; only the port tells that the program is gone. */
		if (s->peer_done || error != KCPSHIM_E_REFUSED)
			break;
		if (s->plain && s->unconfirmed)
			session_end(s, error, false, now);
		else
			icmp_established(s, quote, len, now);
		break;
	case SESSION_LINGERING:
		if (error == KCPSHIM_E_REFUSED && (s->plain || quoted_age(s, quote, len) != 0))
			session_end(s, 0, false, now);
		break;
	default:
		break;
	}
}
