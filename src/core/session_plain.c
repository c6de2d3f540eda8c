/* The plain wire has no open, close or reset. What takes their place here:
 *
 *	client  CONNECTING until the peer's first segment (with open_empty_push), else ESTABLISHED at once
 *	server  ESTABLISHED by a first PUSH; a first PUSH with another conv from the same address ends the old session
 *	close   what was written is delivered, then LINGERING for the peer's repetitions, then CLOSED; what arrives is discarded
 *	half-close and end of stream do not exist; silence, the user timeout, or ICMP before any answer end a session
 */
#include "session_impl.h"

#include "bytes.h"
#include "endpoint_impl.h"
#include "error.h"
#include "seal_aiokcp.h"
#include "seal_plugin.h"

struct seal *
session_plain_seal(struct mem *mem, const struct session_config *cfg)
{
	const uint8_t *aiokcp = cfg->keys != NULL ? session_keys_aiokcp(cfg->keys) : NULL, *key, *salt;
	const struct kcpshim_plugin *plugin;
	size_t key_len, salt_len;
	char err[128];

	switch (cfg->crypto) {
	case SESSION_CRYPTO_AUTO:
		if (aiokcp == NULL)
			return seal_new(mem, SEAL_PLAIN, NULL, NULL);
		return seal_aiokcp_new(mem, aiokcp);
	case SESSION_CRYPTO_NONE:
		return seal_new(mem, SEAL_PLAIN, NULL, NULL);
	case SESSION_CRYPTO_AES_CBC:
		return aiokcp != NULL ? seal_aiokcp_new(mem, aiokcp) : NULL;
	case SESSION_CRYPTO_PLUGIN:
		plugin = cfg->keys != NULL ? session_keys_plugin(cfg->keys, &key, &key_len, &salt, &salt_len) : NULL;
		return plugin != NULL ? seal_plugin_new(mem, plugin, key, key_len, salt, salt_len, err, sizeof(err)) : NULL;
	default:
		return NULL;
	}
}

static enum seal_suite
suite_of(const struct session_config *cfg)
{
	if (cfg->crypto == SESSION_CRYPTO_PLUGIN)
		return SEAL_PLUGIN;
	if (cfg->crypto == SESSION_CRYPTO_NONE || cfg->keys == NULL || session_keys_aiokcp(cfg->keys) == NULL)
		return SEAL_PLAIN;
	return SEAL_AIOKCP;
}

/* Everything but the state; 0 or KCPSHIM_E_NOMEM. */
static int
plain_init(struct session *s, const struct session_config *cfg, uint32_t conv, uint64_t now)
{
	struct kcp_config kc = cfg->kcp;

	s->plain = true;
	s->endpoint->nplain++;
	s->suite = (uint8_t)suite_of(cfg);
	s->tx = s->rx = session_plain_seal(s->endpoint->mem, cfg);
	if (s->tx == NULL)
		return KCPSHIM_E_NOMEM;
	session_apply_config(s, cfg);
	session_pmtu_start(s, cfg->mtu, 0);
	kc.codec = WIRE_PLAIN;
	kc.conv = conv;
	if (cfg->fec == SESSION_FEC_FIXED && session_fec_open(s, cfg, true) != 0)
		return KCPSHIM_E_NOMEM;
	kc.mtu = (uint32_t)(seal_room(s->tx, s->mtu) - session_fec_room(s));
	kc.cc = cfg->cc != KCP_CC_AUTO ? cfg->cc : kc.cc;
	s->kcp = kcp_new(s->endpoint->mem, &kc, now);
	if (s->kcp == NULL)
		return KCPSHIM_E_NOMEM;
	s->received_at = now;
	s->peer_cid = conv;
	endpoint_index_peer(s);
	return 0;
}

int
session_connect_plain(struct session *s, const struct session_config *cfg, uint64_t now)
{
	int error = plain_init(s, cfg, s->cid, now);

	if (error != 0)
		return error;
	s->unconfirmed = true;
	s->state = SESSION_CONNECTING;
	if (!cfg->open_empty_push) {
		session_established(s, now);
		return 0;
	}
	error = kcp_send_empty(s->kcp, now);
	s->clocks[SESSION_CLOCK_GIVEUP] = now + session_connect_timeout(cfg);
	endpoint_mark_due(s);
	return error;
}

/* Whether a datagram may open a session: it starts with a PUSH, and holds the first one of its stream. Anything else is
 * what some session before it left behind, or no KCP. */
static bool
is_first_flight(const uint8_t *plain, size_t len, uint32_t conv)
{
	struct wire_reader reader;
	struct wire_frame frame;
	bool first = true;

	if (wire_reader_init(&reader, WIRE_PLAIN, conv, plain, len) != 0)
		return false;
	while (wire_next(&reader, &frame) == 1) {
		if (first && frame.type != WIRE_DATA)
			return false;
		first = false;
		if (frame.type == WIRE_DATA && frame.sn == 0)
			return true;
	}
	return false;
}

int
session_accept_plain(struct endpoint *ep, struct listener *l, struct session *old, const struct path *path,
    const uint8_t *plain, size_t len, size_t wire_len, uint64_t now)
{
	uint32_t conv = bytes_get32(plain);
	struct session *s;

	if (!is_first_flight(plain, len, conv))
		return KCPSHIM_E_UNKNOWN;
	if (l->room == 0)
		return KCPSHIM_E_FULL;
	s = endpoint_add(ep, l, path, now);
	if (s == NULL)
		return KCPSHIM_E_NOMEM;
	if (plain_init(s, &l->config, conv, now) != 0) {
		endpoint_bury(s);
		return KCPSHIM_E_NOMEM;
	}
	/* As kcp-go does: the client's port is in use again, its former program is gone. */
	if (old != NULL && old->state != SESSION_CLOSED)
		session_end(old, old->state == SESSION_LINGERING ? 0 : KCPSHIM_E_RESET, false, now);
	s->visible = true;
	l->room--;
	session_established(s, now);
	return session_input_plain(s, plain, len, wire_len, now);
}

/* A datagram d with the frame of erasure groups, whose KCP bytes were read: what it makes up for is read as well. */
void
session_input_plain_fec(struct session *s, const uint8_t *d, size_t len, uint64_t now)
{
	const uint8_t *kcp;
	uint32_t number;
	size_t n;

	if (s->fec == NULL || s->dead)
		return;
	session_fec_plain_received(s, d, len);
	while (!s->dead && session_streaming(s) && (kcp = session_fec_restored(s, &number, &n)) != NULL)
		(void)session_input_plain(s, kcp, n, 0, now);
}

int
session_input_plain(struct session *s, const uint8_t *plain, size_t len, size_t wire_len, uint64_t now)
{
	struct wire_reader reader;
	struct wire_frame frame;
	int n = 0, error;

	if (!session_streaming(s))
		return KCPSHIM_E_STATE;
	error = wire_reader_init(&reader, WIRE_PLAIN, s->peer_cid, plain, len);
	if (error != 0)
		return error;
	/* As in ikcp, what stands before an error counts. */
	while ((error = wire_next(&reader, &frame)) == 1) {
		if (frame.type == WIRE_WINS)
			session_pmtu_wins(s, now);
		kcp_input(s->kcp, &frame, now);
		n++;
		if (s->state == SESSION_LINGERING && frame.type == WIRE_DATA)
			session_linger_on(s, now);
	}
	if (n == 0) {
		s->dropped++;
		return error != 0 ? error : KCPSHIM_E_SHORT;
	}
	s->datagrams_received++;
	s->wire_bytes_received += wire_len;
	session_alive(s, now);
	kcp_input_done(s->kcp, now);
	if (s->state == SESSION_CONNECTING)
		session_established(s, now);
	session_progress(s, now);
	endpoint_mark_due(s);
	return 0;
}

/* WASK is the only question that every peer answers. */
static bool
put_probe(struct session *s, struct wire_writer *w, uint64_t now)
{
	struct wire_frame wask = { .type = WIRE_WASK };

	s->control = 0;
	kcp_stamp(s->kcp, w, now);
	return wire_put(w, &wask);
}

uint8_t *
session_plain_begin(const struct session *s, uint8_t *buf, size_t cap, size_t *room)
{
	size_t frame = session_fec_room(s);

	*room = seal_room(s->tx, cap);
	*room = *room > frame ? *room - frame : 0;
	return buf + seal_head(s->tx) + frame;
}

static size_t
plain_seal(struct session *s, uint8_t *buf, size_t len)
{
	uint8_t rnd[16];
	int n;

	if (s->suite != SEAL_PLAIN)
		random_bytes(&s->endpoint->random, rnd, sizeof(rnd));
	n = seal_protect(s->tx, 0, NULL, 0, buf, len, rnd);
	return n < 0 ? 0 : (size_t)n;
}

size_t
session_plain_finish(struct session *s, uint8_t *buf, size_t len, uint64_t now)
{
	return plain_seal(s, buf, s->fec_sends ? session_fec_plain_frame(s, buf + seal_head(s->tx), len) : len);
}

size_t
session_output_plain(struct session *s, uint8_t *buf, size_t cap, uint64_t now)
{
	struct wire_writer w;
	uint8_t *body;
	size_t room, len;

	if (!session_streaming(s))
		return 0;
	body = session_plain_begin(s, buf, cap, &room);
	if (session_fec_due(s))
		return plain_seal(s, buf, session_fec_plain_parity(s, buf + seal_head(s->tx), now));
	wire_writer_init(&w, WIRE_PLAIN, s->peer_cid, body, room);
	if (!(s->control != 0 && put_probe(s, &w, now)) && !kcp_output(s->kcp, &w, now))
		return 0;
	len = session_plain_finish(s, buf, w.len, now);
	session_pmtu_sent(s, len, now);
	return len;
}

void
session_progress_plain(struct session *s, uint64_t now)
{
	size_t ready = kcp_recv_ready(s->kcp);

	if (!s->closed || s->state != SESSION_ESTABLISHED)
		return;
	/* Nobody reads any more, and the peer cannot be told; its window stays open so that it can finish. */
	if (ready > 0)
		kcp_recv_consume(s->kcp, ready, now);
	if (kcp_send_drained(s->kcp))
		session_linger(s, now);
}
