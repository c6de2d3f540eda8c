/* A session that its server does not have any more: what the server answers, and what the client makes of it
 * (kcpshim-wire(7), RESET).
 */
#include "session_impl.h"

#include <string.h>

#include "bytes.h"
#include "endpoint_impl.h"
#include "error.h"
#include "lane.h"

/* NULL: this listener sends none. */
static const uint8_t *
reset_secret(const struct endpoint *ep, const struct session_config *cfg)
{
	if (cfg->no_reset)
		return NULL;
	return session_keys_count(cfg->keys) > 0 ? session_keys_reset_secret(cfg->keys) : ep->reset_secret;
}

uint32_t
session_reset_cid(struct endpoint *ep, const struct session_config *cfg)
{
	const uint8_t *secret = reset_secret(ep, cfg);
	uint32_t cid;

	do
		cid = random_u32(&ep->random);
	while (!lane_has_cid(cfg->lane, cfg->lanes, cid));
	return secret != NULL ? reset_token_cid(secret, cid) : cid;
}

void
session_reset_offer(const struct session *s, const struct session_config *cfg, struct handshake_params *answer)
{
	const uint8_t *secret = reset_secret(s->endpoint, cfg);
	struct reset_token t;

	if (secret == NULL)
		return;
	reset_token_make(secret, &s->path.local, s->cid, &t);
	reset_token_put(&t, answer->reset);
	answer->has_reset = true;
}

void
session_reset_learn(struct session *s, const struct handshake_params *answer)
{
	if (!answer->has_reset)
		return;
	reset_token_get(&s->reset, answer->reset);
	endpoint_index_peer(s);
}

int
session_reset_answer(struct endpoint *ep, struct listener *l, const struct path *path, const uint8_t *d, size_t len, uint64_t now)
{
	const uint8_t *secret = reset_secret(ep, &l->config);
	uint32_t cid = bytes_get32(d), rate = RESET_RATE / (l->config.lanes > 1 ? l->config.lanes : 1);
	uint8_t filler[RESET_LEN_MAX], out[RESET_LEN_MAX];
	size_t n = reset_token_answer_len(len);
	struct reset_token t;

	/* Another lane's may be a session that lives. */
	if (secret == NULL || n == 0 || !lane_has_cid(l->config.lane, l->config.lanes, cid))
		return KCPSHIM_E_UNKNOWN;
	/* Both questions before the budget: a stranger's guesses must not use it up. */
	if (!reset_token_knows(secret, cid) || !budget_take(&ep->resets, rate, now))
		return KCPSHIM_E_UNKNOWN;
	reset_token_make(secret, &path->local, cid, &t);
	random_bytes(&ep->random, filler, sizeof(filler));
	reset_token_answer(&t, d, len, filler, out);
	endpoint_post(ep, path, out, n);
	return KCPSHIM_E_UNKNOWN;
}

int
session_reset_input(struct endpoint *ep, const struct path *path, const uint8_t *d, size_t len, uint64_t now)
{
	struct session *s = endpoint_find_reset(ep, path, bytes_get32(d));

	if (s == NULL)
		return KCPSHIM_E_UNKNOWN;
	if (!reset_token_matches(&s->reset, d, len)) {
		s->dropped++;
		return KCPSHIM_E_AUTH;
	}
	switch (s->state) {
	case SESSION_ESTABLISHED:
		/* Everything was said and heard; the program has only not read it yet. */
		if (!s->peer_done)
			session_end(s, KCPSHIM_E_RESET, false, now);
		break;
	case SESSION_LINGERING:
		session_end(s, 0, false, now);
		break;
	default:
		s->control = 0;
		s->rst_left = 0;
		break;
	}
	endpoint_mark_due(s);
	return 0;
}
