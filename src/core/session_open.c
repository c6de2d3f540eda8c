#include "session_impl.h"

#include <string.h>

#include "endpoint_impl.h"
#include "error.h"
#include "mem.h"

#define PROOF_RETRY_MIN_US 10000u

static void
offer_params(const struct session_config *cfg, struct handshake_params *p)
{
	memset(p, 0, sizeof(*p));
	p->rcv_wnd = cfg->kcp.rcv_wnd;
	p->mtu = SESSION_DATAGRAM_MAX;
	p->nsuites = 1;
	p->suites[0] = SEAL_NONE;
}

static int
opening_new(struct session *s, const struct session_config *cfg)
{
	s->opening = mem_alloc(s->endpoint->mem, sizeof(*s->opening));
	if (s->opening == NULL)
		return KCPSHIM_E_NOMEM;
	s->opening->config = *cfg;
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
	s->keep_count = cfg->keep_count;
}

uint64_t
session_connect_timeout(const struct session_config *cfg)
{
	return cfg->connect_timeout_us != 0 ? cfg->connect_timeout_us : SESSION_CONNECT_TIMEOUT_US;
}

int
session_connect(struct session *s, const struct session_config *cfg, uint64_t now)
{
	struct handshake_params params;
	struct session_opening *o;

	if (cfg->plain)
		return session_connect_plain(s, cfg, now);
	if (opening_new(s, cfg) != 0)
		return KCPSHIM_E_NOMEM;
	o = s->opening;
	offer_params(cfg, &params);
	random_bytes(&s->endpoint->random, o->token, sizeof(o->token));
	unsealed_init_write(o->datagram, s->cid, o->token, &params);
	o->len = UNSEALED_INIT_LEN;
	o->interval = SESSION_INIT_RETRY_US;
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

/* Datagrams as large as both sides and the rule allow. */
static uint32_t
agreed_mtu(const struct session_config *cfg, const struct handshake_params *peer)
{
	uint32_t mtu = cfg->mtu;

	if (peer->mtu != 0 && peer->mtu < mtu)
		mtu = peer->mtu;
	if (mtu > SESSION_MTU_MAX)
		mtu = SESSION_MTU_MAX;
	return mtu < SESSION_MTU_MIN ? SESSION_MTU_MIN : mtu;
}

static int
open_kcp(struct session *s, uint64_t now)
{
	const struct session_config *cfg = &s->opening->config;
	struct kcp_config kc = cfg->kcp;

	s->mtu = agreed_mtu(cfg, &s->opening->peer);
	kc.codec = WIRE_SESSION;
	kc.conv = 0;
	kc.rmt_wnd = s->opening->peer.rcv_wnd;
	kc.mtu = (uint32_t)seal_room(s->tx, s->mtu - SESSION_HEADER_LEN);
	if (cfg->cc != KCP_CC_AUTO)
		kc.cc = cfg->cc;
	s->kcp = kcp_new(s->endpoint->mem, &kc, now);
	return s->kcp != NULL ? 0 : KCPSHIM_E_NOMEM;
}

static int
open_seals(struct session *s)
{
	struct mem *mem = s->endpoint->mem;

	s->suite = SEAL_NONE;
	s->tx = seal_new(mem, SEAL_NONE, NULL, NULL);
	s->rx = seal_new(mem, SEAL_NONE, NULL, NULL);
	if (s->tx != NULL && s->rx != NULL)
		return 0;
	seal_free(mem, s->tx);
	seal_free(mem, s->rx);
	s->tx = s->rx = NULL;
	return KCPSHIM_E_NOMEM;
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
session_input_accept(struct session *s, const uint8_t *d, size_t len, uint64_t now)
{
	struct session_opening *o = s->opening;
	struct handshake_params params;
	int error;

	if (s->state != SESSION_CONNECTING) {
		/* The server did not see the proof, or the network repeats itself. */
		if (s->unconfirmed)
			session_ping(s, now);
		return s->unconfirmed ? 0 : KCPSHIM_E_STATE;
	}
	error = unsealed_accept_read(d, len, o->token, &params);
	if (error != 0)
		return error;
	o->peer = params;
	if (open_seals(s) != 0 || open_kcp(s, now) != 0) {
		session_end(s, KCPSHIM_E_NOMEM, false, now);
		return KCPSHIM_E_NOMEM;
	}
	s->peer_cid = params.cid;
	s->unconfirmed = true;
	s->retry = proof_retry(2 * (now - o->first_sent));
	session_ping(s, now);
	session_established(s, now);
	return 0;
}

/* A repeated INIT: the ACCEPT may have been lost. */
static int
repeat_accept(struct session *s, const uint8_t *token)
{
	if (s->state != SESSION_ACCEPTING || memcmp(s->opening->token, token, UNSEALED_TOKEN_LEN) != 0)
		return KCPSHIM_E_REPLAY;
	s->send_hello = true;
	endpoint_mark_due(s);
	return 0;
}

static int
new_half_open(struct endpoint *ep, struct listener *l, const struct path *path, uint32_t peer_cid, const uint8_t *token,
    const struct handshake_params *peer, uint64_t now)
{
	struct handshake_params answer;
	struct session *s;

	if (l->room == 0 || l->half_open >= ENDPOINT_HALF_OPEN)
		return KCPSHIM_E_FULL;
	s = endpoint_add(ep, path, now);
	if (s == NULL)
		return KCPSHIM_E_NOMEM;
	s->listener = l->handle;
	l->half_open++;
	s->state = SESSION_ACCEPTING;
	if (opening_new(s, &l->config) != 0 || open_seals(s) != 0) {
		endpoint_bury(s);
		return KCPSHIM_E_NOMEM;
	}
	s->peer_cid = peer_cid;
	endpoint_index_peer(s, peer_cid);
	s->opening->peer = *peer;
	memcpy(s->opening->token, token, UNSEALED_TOKEN_LEN);
	offer_params(&l->config, &answer);
	unsealed_accept_write(s->opening->datagram, peer_cid, s->cid, token, &answer);
	s->opening->len = UNSEALED_ACCEPT_LEN;
	s->clocks[SESSION_CLOCK_GIVEUP] = now + SESSION_HALF_OPEN_US;
	s->send_hello = true;
	endpoint_mark_due(s);
	return 0;
}

int
session_input_init(struct endpoint *ep, struct listener *l, const struct path *path, const uint8_t *d, size_t len, uint64_t now)
{
	struct handshake_params params;
	const uint8_t *token;
	struct session *s;
	uint32_t cid;
	int error;

	error = unsealed_init_read(d, len, &cid, &token, &params);
	if (error != 0)
		return error;
	/* An answer must not be larger than what asked for it. */
	if (len < UNSEALED_ACCEPT_LEN)
		return KCPSHIM_E_SHORT;
	s = endpoint_find_peer(ep, path, cid);
	if (s != NULL)
		return repeat_accept(s, token);
	return new_half_open(ep, l, path, cid, token, &params, now);
}

int
session_prove(struct session *s, uint64_t now)
{
	struct listener *l = endpoint_listener(s->endpoint, s->listener);
	int error;

	if (l == NULL || l->room == 0)
		return KCPSHIM_E_FULL;
	error = open_kcp(s, now);
	if (error != 0)
		return error;
	l->room--;
	endpoint_half_open_done(s);
	s->clocks[SESSION_CLOCK_GIVEUP] = TIMER_NEVER;
	s->send_hello = false;
	s->visible = true;
	session_established(s, now);
	return 0;
}
