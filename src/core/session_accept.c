#include "session_impl.h"

#include <string.h>

#include "admission.h"
#include "bytes.h"
#include "endpoint_impl.h"
#include "error.h"
#include "seal_aead.h"

/* Of an INIT, in both versions. */
#define COOKIE_AT 24u
#define TOKEN_AT 40u

/* A first flight, as far as both versions have it in common. */
struct first_flight {
	const struct path *path;
	uint32_t cid;
	const uint8_t *token;
	struct handshake_params params;
	struct handshake handshake;   /* version 1 */
};

/* A repeated INIT: the ACCEPT may have been lost. The client is still there, and could not begin anew with an INIT that was
 * seen, so that the session waits on for it. */
static int
repeat_accept(struct session *s, const uint8_t *token, uint64_t now)
{
	uint64_t until = now + SESSION_HALF_OPEN_US;

	if (s->state != SESSION_ACCEPTING || memcmp(s->opening->token, token, UNSEALED_TOKEN_LEN) != 0)
		return KCPSHIM_E_REPLAY;
	s->clocks[SESSION_CLOCK_GIVEUP] = until < s->opening->until ? until : s->opening->until;
	s->send_hello = true;
	endpoint_mark_due(s);
	return 0;
}

static int
read_init(const struct session_config *cfg, struct first_flight *f, const uint8_t *d, size_t len)
{
	/* An answer must not be larger than what asked for it. */
	if (!session_config_sealed(cfg)) {
		if (len < UNSEALED_INIT_LEN)
			return KCPSHIM_E_SHORT;
		return unsealed_init_read(d, len, &f->cid, &f->token, &f->params);
	}
	if (len < HANDSHAKE_INIT_LEN)
		return KCPSHIM_E_SHORT;
	if (!handshake_is_init(d, len))
		return KCPSHIM_E_VERSION;
	f->token = handshake_init_ephemeral(d);
	return handshake_init_read(&f->handshake, cfg->keys, d, len, &f->params);
}

static void
send_retry(struct endpoint *ep, const struct session_config *cfg, const struct first_flight *f)
{
	uint8_t cookie[COOKIE_LEN], nonce[HANDSHAKE_RETRY_NONCE], out[HANDSHAKE_RETRY_LEN];
	size_t len;

	admission_cookie(&ep->admission, &f->path->remote, f->token, cookie);
	if (session_config_sealed(cfg)) {
		random_bytes(&ep->random, nonce, sizeof(nonce));
		len = handshake_retry_write(&f->handshake, cookie, nonce, out);
	} else {
		len = unsealed_retry_write(out, f->cid, cookie);
	}
	endpoint_post(ep, f->path, out, len);
}

static int
write_accept_unsealed(struct session *s, const struct first_flight *f)
{
	struct session_opening *o = s->opening;
	struct handshake_params answer;

	session_offer(&o->config, &answer);
	session_reset_offer(s, &o->config, &answer);
	unsealed_accept_write(o->datagram, f->cid, s->cid, f->token, &answer);
	o->len = UNSEALED_ACCEPT_LEN;
	return session_seal_unsealed(s);
}

static int
write_accept(struct session *s, struct first_flight *f, uint64_t now)
{
	struct session_opening *o = s->opening;
	struct handshake_params answer;
	struct handshake_keys keys;
	uint8_t suites[2], secret[32];
	int n, error;

	if (!session_config_sealed(&o->config))
		return write_accept_unsealed(s, f);
	n = params_choose_suite(&f->params, suites, (size_t)seal_aead_suites(suites));
	if (n < 0)
		return KCPSHIM_E_FORMAT;
	session_offer(&o->config, &answer);
	session_reset_offer(s, &o->config, &answer);
	answer.nsuites = 1;
	answer.suites[0] = (uint8_t)n;
	random_bytes(&s->endpoint->random, secret, sizeof(secret));
	n = handshake_accept_write(&f->handshake, s->cid, secret, &answer, o->datagram, &keys);
	explicit_bzero(secret, sizeof(secret));
	if (n < 0)
		return n;
	o->len = (uint16_t)n;
	error = session_seal_keys(s, &keys, now);
	handshake_keys_wipe(&keys);
	return error;
}

static int
new_half_open(struct endpoint *ep, struct listener *l, struct first_flight *f, uint64_t now)
{
	struct session *s = endpoint_add(ep, l, f->path, now);
	int error;

	if (s == NULL)
		return KCPSHIM_E_NOMEM;
	s->state = SESSION_ACCEPTING;
	s->opened_at = now;
	endpoint_half_open(s, l);
	error = session_opening_new(s, &l->config);
	if (error == 0)
		error = write_accept(s, f, now);
	if (error != 0) {
		endpoint_bury(s);
		return error;
	}
	s->peer_cid = f->cid;
	endpoint_index_peer(s);
	s->opening->peer = f->params;
	memcpy(s->opening->token, f->token, UNSEALED_TOKEN_LEN);
	s->clocks[SESSION_CLOCK_GIVEUP] = now + SESSION_HALF_OPEN_US;
	s->opening->until = now + SESSION_HALF_OPEN_MAX_US;
	s->send_hello = true;
	endpoint_mark_due(s);
	return 0;
}

/* The oldest unproven session of the address that has more than half of them, or NULL: Boyer and Moore's majority vote. */
static struct session *
oldest_of_most(const struct listener *l)
{
	struct session *s, *candidate = NULL, *oldest = NULL;
	uint32_t votes = 0, n = 0;

	TAILQ_FOREACH(s, &l->half_open, ready) {
		if (votes == 0)
			candidate = s;
		votes += netaddr_same_site(&s->path.remote, &candidate->path.remote) ? 1 : -1u;
	}
	TAILQ_FOREACH(s, &l->half_open, ready) {
		if (!netaddr_same_site(&s->path.remote, &candidate->path.remote))
			continue;
		if (n++ == 0)
			oldest = s;
	}
	return n > l->nhalf_open / 2 ? oldest : NULL;
}

/* The unproven session that gives way to this flight when there is no more room, or NULL. */
static struct session *
gives_way(const struct endpoint *ep, const struct listener *l, const struct first_flight *f, const uint8_t *cookie, uint64_t now)
{
	struct session *s = TAILQ_FIRST(&l->half_open);

	/* A client proves itself within a round trip, so that the oldest is the least likely to do so any more. */
	if (now >= s->opened_at + SESSION_PROOF_US)
		return s;
	/* Who only claims an address may not make this search happen. */
	if (!admission_proven(&ep->admission, f->path, f->token, cookie))
		return NULL;
	s = oldest_of_most(l);
	return s != NULL && !netaddr_same_site(&s->path.remote, &f->path->remote) ? s : NULL;
}

int
session_input_init(struct endpoint *ep, struct listener *l, const struct path *path, const uint8_t *d, size_t len, uint64_t now)
{
	struct first_flight f = { .path = path, .cid = bytes_get32(d) };
	const struct session_config *cfg = &l->config;
	struct session *s = endpoint_find_peer(ep, path, f.cid), *victim = NULL;
	bool full = l->nhalf_open >= ENDPOINT_HALF_OPEN;
	struct admission_load load;
	int error;

	if (s != NULL)
		return len >= TOKEN_AT + UNSEALED_TOKEN_LEN ? repeat_accept(s, d + TOKEN_AT, now) : KCPSHIM_E_SHORT;
	if (l->room == 0)
		return KCPSHIM_E_FULL;
	error = read_init(cfg, &f, d, len);
	if (error != 0)
		return error;
	if (full)
		victim = gives_way(ep, l, &f, d + COOKIE_AT, now);
	load = (struct admission_load){ .half_open = l->nhalf_open, .rate = cfg->handshakes, .budget = &l->handshakes,
		.full = full && victim == NULL };
	switch (admission_check(&ep->admission, path, f.token, d + COOKIE_AT,
	    session_config_sealed(cfg) ? &f.params.time : NULL, &load, now, endpoint_wall(ep, now))) {
	case ADMISSION_FULL:
		error = KCPSHIM_E_FULL;
		break;
	case ADMISSION_DROP:
		error = KCPSHIM_E_REPLAY;
		break;
	case ADMISSION_RETRY:
		send_retry(ep, cfg, &f);
		break;
	case ADMISSION_OPEN:
		if (victim != NULL)
			endpoint_bury(victim);
		error = new_half_open(ep, l, &f, now);
		break;
	}
	explicit_bzero(&f.handshake, sizeof(f.handshake));
	return error;
}

int
session_prove(struct session *s, uint64_t now)
{
	struct listener *l = endpoint_listener(s->endpoint, s->listener);
	int error;

	if (l == NULL || l->room == 0)
		return KCPSHIM_E_FULL;
	error = session_open_kcp(s, now);
	if (error != 0)
		return error;
	session_note_opening(s, now - s->opened_at);
	kcp_seed_rtt(s->kcp, session_srtt(s), now);
	l->room--;
	endpoint_half_open_done(s);
	s->clocks[SESSION_CLOCK_GIVEUP] = TIMER_NEVER;
	s->send_hello = false;
	s->visible = true;
	session_established(s, now);
	return 0;
}
