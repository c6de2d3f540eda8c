#include "session_impl.h"

#include "bytes.h"
#include "endpoint_impl.h"
#include "error.h"
#include "mem.h"
#include "seal_aead.h"

#define REST_AFTER_US UINT64_C(5000000)
#define CONFIRM_EVERY_US UINT64_C(1000000)
#define KEEP_PREVIOUS_RTTS 3u

int
session_seal_unsealed(struct session *s)
{
	struct mem *mem = s->endpoint->mem;

	s->suite = SEAL_NONE;
	s->tx = s->rx = seal_new(mem, SEAL_NONE, NULL, NULL);
	return s->tx != NULL ? 0 : KCPSHIM_E_NOMEM;
}

int
session_seal_keys(struct session *s, const struct handshake_keys *keys, uint64_t now)
{
	struct mem *mem = s->endpoint->mem;
	struct session_phases *p = mem_alloc(mem, sizeof(*p));

	if (p == NULL)
		return KCPSHIM_E_NOMEM;
	if (phase_tx_init(&p->tx, mem, &keys->tx, now) != 0)
		goto no_tx;
	if (phase_rx_init(&p->rx, mem, &keys->rx) != 0)
		goto no_rx;
	s->phases = p;
	s->suite = keys->suite;
	s->authenticated = keys->authenticated;
	return 0;
no_rx:
	phase_tx_dispose(&p->tx, mem);
no_tx:
	mem_free(mem, p, sizeof(*p));
	return KCPSHIM_E_NOMEM;
}

void
session_seal_free(struct session *s)
{
	struct mem *mem = s->endpoint->mem;

	replay_rest(&s->replay, mem);
	seal_free(mem, s->tx);
	s->tx = s->rx = NULL;
	if (s->phases == NULL)
		return;
	phase_tx_dispose(&s->phases->tx, mem);
	phase_rx_dispose(&s->phases->rx, mem);
	mem_free(mem, s->phases, sizeof(*s->phases));
	s->phases = NULL;
}

bool
session_sealed(const struct session *s)
{
	return s->phases != NULL || s->tx != NULL;
}

/* NULL without memory. */
static struct seal *
present_tx(struct session *s)
{
	return s->phases != NULL ? phase_tx_seal(&s->phases->tx, s->endpoint->mem) : s->tx;
}

size_t
session_seal_room(const struct session *s, size_t datagram)
{
	size_t overhead = s->plain ? 0 : SESSION_HEADER_LEN;

	if (s->phases != NULL)
		overhead += SEAL_AEAD_TAG_LEN;
	datagram = datagram > overhead ? datagram - overhead : 0;
	return s->phases != NULL ? datagram : seal_room(s->tx, datagram);
}

/* A key is renewed only after the peer has shown that it has the present one; it is asked in time. */
static void
renew_key(struct session *s, uint64_t now)
{
	struct phase_tx *tx = &s->phases->tx;

	if (phase_tx_renew(tx, s->endpoint->mem, s->tx_pn, now) || tx->confirmed)
		return;
	if (s->tx_pn - tx->first_pn < TRAFFIC_RENEW_DATAGRAMS / 2 && now - tx->started_at < PHASE_LIFETIME_US / 2)
		return;
	if (now >= s->ping_at + CONFIRM_EVERY_US)
		session_ping(s, now);
}

uint8_t *
session_seal_begin(struct session *s, uint8_t *buf, size_t cap, size_t *room, uint64_t now)
{
	if (s->phases != NULL && s->state != SESSION_CLOSED)
		renew_key(s, now);
	/* The AEADs put nothing in front; their seal is only made again when there is something to send. */
	*room = session_seal_room(s, cap);
	return buf + SESSION_HEADER_LEN + (s->phases != NULL ? 0 : seal_head(s->tx));
}

size_t
session_seal_finish(struct session *s, uint8_t *buf, size_t len, uint64_t now)
{
	struct seal *seal = present_tx(s);
	uint8_t rnd[16] = { 0 };
	int n;

	/* As if it were lost on its way. */
	if (seal == NULL)
		return 0;
	bytes_put32(buf, s->peer_cid);
	buf[4] = (uint8_t)(SESSION_KIND_DATA | (s->phases != NULL ? s->phases->tx.phase & 1 : 0));
	bytes_put32(buf + 5, (uint32_t)s->tx_pn);
	n = seal_protect(seal, s->tx_pn, buf, SESSION_HEADER_LEN, buf + SESSION_HEADER_LEN, len, rnd);
	if (n < 0)
		return 0;
	s->tx_pn++;
	session_seal_used(s, now);
	return SESSION_HEADER_LEN + (size_t)n;
}

int
session_seal_open(struct session *s, uint64_t pn, uint8_t *d, size_t len, uint8_t **plain, uint64_t now)
{
	uint8_t *body = d + SESSION_HEADER_LEN;

	len -= SESSION_HEADER_LEN;
	if (s->phases == NULL)
		return d[4] & 1 ? KCPSHIM_E_FORMAT : seal_open(s->rx, pn, d, SESSION_HEADER_LEN, body, len, plain);
	session_seal_used(s, now);
	return phase_rx_open(&s->phases->rx, s->endpoint->mem, d[4] & 1, pn, d, SESSION_HEADER_LEN, body, len, plain, now,
	    KEEP_PREVIOUS_RTTS * session_rtt(s));
}

void
session_seal_used(struct session *s, uint64_t now)
{
	s->sealed_at = now;
	if (s->phases != NULL && s->clocks[SESSION_CLOCK_REST] == TIMER_NEVER)
		s->clocks[SESSION_CLOCK_REST] = now + REST_AFTER_US;
}

void
session_seal_rest(struct session *s, uint64_t now)
{
	if (s->phases == NULL)
		return;
	if (now < s->sealed_at + REST_AFTER_US) {
		s->clocks[SESSION_CLOCK_REST] = s->sealed_at + REST_AFTER_US;
		return;
	}
	session_fec_rest(s);
	replay_rest(&s->replay, s->endpoint->mem);
	phase_tx_rest(&s->phases->tx, s->endpoint->mem);
	phase_rx_rest(&s->phases->rx, s->endpoint->mem, now);
}
