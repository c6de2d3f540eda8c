#include "session_impl.h"

#include <string.h>

#include "endpoint_impl.h"
#include "error.h"
#include "mem.h"
#include "seal_aead.h"

#define PROOF_RETRY_MIN_US 10000u

void
session_offer(const struct session_config *cfg, struct handshake_params *p)
{
	memset(p, 0, sizeof(*p));
	p->rcv_wnd = cfg->kcp.rcv_wnd;
	p->mtu = SESSION_DATAGRAM_MAX;
	p->fec = 1;
	p->ecn = cfg->ecn;
}

bool
session_config_sealed(const struct session_config *cfg)
{
	return cfg->crypto != SESSION_CRYPTO_NONE;
}

int
session_opening_new(struct session *s, const struct session_config *cfg)
{
	s->opening = mem_alloc(s->endpoint->mem, sizeof(*s->opening));
	if (s->opening == NULL)
		return KCPSHIM_E_NOMEM;
	s->opening->config = *cfg;
	session_pmtu_start(s, cfg->mtu, 0);
	session_apply_config(s, cfg);
	return 0;
}

void
session_opening_free(struct session *s)
{
	if (s->opening == NULL)
		return;
	explicit_bzero(s->opening, sizeof(*s->opening));
	mem_free(s->endpoint->mem, s->opening, sizeof(*s->opening));
	s->opening = NULL;
}

void
session_apply_config(struct session *s, const struct session_config *cfg)
{
	s->user_timeout = cfg->user_timeout_us != 0 ? cfg->user_timeout_us : SESSION_USER_TIMEOUT_US;
	s->idle_timeout = cfg->idle_timeout_us;
	s->keep_idle = cfg->keep_idle_us;
	s->keep_interval = cfg->keep_interval_us;
	s->keep_count = (uint16_t)cfg->keep_count;
}

uint64_t
session_connect_timeout(const struct session_config *cfg)
{
	return cfg->connect_timeout_us != 0 ? cfg->connect_timeout_us : SESSION_CONNECT_TIMEOUT_US;
}

static void
write_init(struct session *s, const struct session_config *cfg, uint64_t now)
{
	struct session_opening *o = s->opening;
	struct handshake_params params;
	uint8_t secret[32];

	session_offer(cfg, &params);
	random_bytes(&s->endpoint->random, secret, sizeof(secret));
	if (session_config_sealed(cfg)) {
		params.time = endpoint_wall(s->endpoint, now);
		params.nsuites = (uint8_t)seal_aead_suites(params.suites);
		handshake_init_write(&o->handshake, s->cid, session_keys_first(cfg->keys), secret, &params);
		memcpy(o->datagram, o->handshake.init, HANDSHAKE_INIT_LEN);
		o->len = HANDSHAKE_INIT_LEN;
	} else {
		memcpy(o->token, secret, sizeof(o->token));
		unsealed_init_write(o->datagram, s->cid, o->token, &params);
		o->len = UNSEALED_INIT_LEN;
	}
	explicit_bzero(secret, sizeof(secret));
}

int
session_connect(struct session *s, const struct session_config *cfg, uint64_t now)
{
	if (cfg->plain)
		return session_connect_plain(s, cfg, now);
	if (session_opening_new(s, cfg) != 0)
		return KCPSHIM_E_NOMEM;
	write_init(s, cfg, now);
	s->opening->interval = SESSION_INIT_RETRY_US;
	s->state = SESSION_CONNECTING;
	s->send_hello = true;
	s->clocks[SESSION_CLOCK_GIVEUP] = now + session_connect_timeout(cfg);
	endpoint_mark_due(s);
	return 0;
}

size_t
session_output_hello(struct session *s, uint8_t *buf, size_t cap, uint64_t now)
{
	struct session_opening *o = s->opening;

	if (!s->send_hello || o->len > cap)
		return 0;
	s->send_hello = false;
	memcpy(buf, o->datagram, o->len);
	if (s->state == SESSION_CONNECTING) {
		if (o->first_sent == 0)
			o->first_sent = now;
		s->clocks[SESSION_CLOCK_OPEN] = now + o->interval;
		o->interval = o->interval * 2 < SESSION_INIT_RETRY_MAX_US ? o->interval * 2 : SESSION_INIT_RETRY_MAX_US;
	}
	return o->len;
}

int
session_open_kcp(struct session *s, uint64_t now)
{
	const struct session_config *cfg = &s->opening->config;
	struct kcp_config kc = cfg->kcp;

	session_pmtu_start(s, cfg->mtu, s->opening->peer.mtu);
	kc.codec = WIRE_SESSION;
	kc.conv = 0;
	kc.rmt_wnd = s->opening->peer.rcv_wnd;
	if (session_fec_open(s, cfg, s->opening->peer.fec == 1) != 0)
		return KCPSHIM_E_NOMEM;
	s->ecn_on = cfg->ecn && s->opening->peer.ecn == 1;
	kc.mtu = (uint32_t)(session_seal_room(s, s->mtu) - session_fec_room(s));
	if (cfg->cc != KCP_CC_AUTO)
		kc.cc = cfg->cc;
	s->kcp = kcp_new(s->endpoint->mem, &kc, now);
	return s->kcp != NULL ? 0 : KCPSHIM_E_NOMEM;
}

void
session_established(struct session *s, uint64_t now)
{
	s->state = SESSION_ESTABLISHED;
	s->opened_at = now;
	s->received_at = now;
	session_opening_free(s);
	session_arm_keepalive(s, now);
	if (s->idle_timeout != 0)
		s->clocks[SESSION_CLOCK_IDLE] = now + s->idle_timeout;
	session_event(s, SESSION_EV_OPENED | SESSION_EV_WRITABLE);
	if (s->sent_fin) {
		s->sent_fin = false;
		session_shutdown_write(s, now);
	}
	endpoint_mark_due(s);
}

/* The first interval after which the proof is repeated, from the time the handshake took. */
static uint32_t
proof_retry(uint64_t rtt)
{
	if (rtt < PROOF_RETRY_MIN_US)
		return PROOF_RETRY_MIN_US;
	return rtt < SESSION_INIT_RETRY_US ? (uint32_t)rtt : (uint32_t)SESSION_INIT_RETRY_US;
}

int
session_input_retry(struct session *s, const uint8_t *d, size_t len, uint64_t now)
{
	struct session_opening *o = s->opening;
	int error;

	if (s->state != SESSION_CONNECTING || o->retries >= SESSION_RETRIES)
		return KCPSHIM_E_STATE;
	if (session_config_sealed(&o->config)) {
		error = handshake_retry_read(&o->handshake, d, len);
		if (error == 0)
			memcpy(o->datagram, o->handshake.init, o->len);
	} else {
		error = unsealed_retry_read(d, len, o->datagram);
	}
	if (error != 0)
		return error;
	o->retries++;
	s->send_hello = true;
	endpoint_mark_due(s);
	return 0;
}

/* The seals of an ACCEPT; KCPSHIM_E_NOMEM is the only error that ends the session. */
static int
read_accept(struct session *s, const uint8_t *d, size_t len, uint64_t now)
{
	struct session_opening *o = s->opening;
	struct handshake_keys keys;
	int error;

	if (!session_config_sealed(&o->config)) {
		error = unsealed_accept_read(d, len, o->token, &o->peer);
		return error != 0 ? error : session_seal_unsealed(s);
	}
	error = handshake_accept_read(&o->handshake, d, len, &o->peer, &keys);
	if (error != 0)
		return error;
	error = session_seal_keys(s, &keys, now);
	handshake_keys_wipe(&keys);
	return error;
}

int
session_input_accept(struct session *s, const uint8_t *d, size_t len, uint64_t now)
{
	int error;

	if (s->state != SESSION_CONNECTING) {
		/* The server did not see the proof, or the network repeats itself. */
		if (s->state != SESSION_ESTABLISHED || !s->unconfirmed)
			return KCPSHIM_E_STATE;
		if (now >= s->ping_at + PROOF_RETRY_MIN_US)
			session_ping(s, now);
		return 0;
	}
	error = read_accept(s, d, len, now);
	if (error != 0 && error != KCPSHIM_E_NOMEM)
		return error;
	if (error != 0 || session_open_kcp(s, now) != 0) {
		session_end(s, KCPSHIM_E_NOMEM, false, now);
		return KCPSHIM_E_NOMEM;
	}
	s->peer_cid = s->opening->peer.cid;
	session_reset_learn(s, &s->opening->peer);
	s->unconfirmed = true;
	session_note_opening(s, now - s->opening->first_sent);
	kcp_seed_rtt(s->kcp, session_srtt(s), now);
	s->retry = proof_retry(2 * (now - s->opening->first_sent));
	session_ping(s, now);
	session_established(s, now);
	return 0;
}
