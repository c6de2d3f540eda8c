/* A client's address may change under it (RFC 9000 section 9, without its choices): datagrams that verify may come from anywhere,
 * but answers go to a new address only after it was shown that the peer receives there.
 */
#include "session_impl.h"

#include "endpoint_impl.h"
#include "mem.h"

#define ROAM_TRIES 4u

void
session_roam_free(struct session *s)
{
	mem_free(s->endpoint->mem, s->roam, sizeof(*s->roam));
	s->roam = NULL;
	s->control &= (uint8_t)~SESSION_CTL_CHALLENGE;
	s->clocks[SESSION_CLOCK_ROAM] = TIMER_NEVER;
}

static bool
same_place(const struct path *a, const struct path *b)
{
	return a->sock == b->sock && netaddr_equal(&a->remote, &b->remote);
}

static bool
same_host(const struct netaddr *a, const struct netaddr *b)
{
	struct netaddr at = *a;

	at.port = b->port;
	return netaddr_equal(&at, b);
}

void
session_roam_seen(struct session *s, const struct path *path, bool newest, uint64_t now)
{
	if (s->phases == NULL || s->listener == 0 || !newest || s->state != SESSION_ESTABLISHED)
		return;
	if (netaddr_equal(&path->remote, &s->path.remote)) {
		/* The old address is in use again. */
		if (s->roam != NULL)
			session_roam_free(s);
		return;
	}
	if (s->roam != NULL && same_place(&s->roam->path, path))
		return;
	if (s->roam == NULL)
		s->roam = mem_alloc(s->endpoint->mem, sizeof(*s->roam));
	if (s->roam == NULL)
		return;
	session_icmp_forget(s);
	s->roam->path = *path;
	s->roam->token = random_u64(&s->endpoint->random);
	s->roam->tries = 0;
	session_roam_challenge(s, now);
}

void
session_roam_challenge(struct session *s, uint64_t now)
{
	uint64_t wait = session_rtt(s);

	if (s->roam == NULL)
		return;
	if (s->roam->tries >= ROAM_TRIES) {
		session_roam_free(s);
		return;
	}
	/* The other path may be ten times as long as the one before. */
	if (wait < SESSION_RTT_GUESS_US)
		wait = SESSION_RTT_GUESS_US;
	s->control |= SESSION_CTL_CHALLENGE;
	s->clocks[SESSION_CLOCK_ROAM] = now + (wait << s->roam->tries++);
	endpoint_mark_due(s);
}

void
session_roam_response(struct session *s, const struct path *path, uint64_t token, uint64_t now)
{
	bool elsewhere;
	struct path to;

	if (s->roam == NULL || s->roam->token != token || !same_place(&s->roam->path, path))
		return;
	to = s->roam->path;
	elsewhere = !same_host(&to.remote, &s->path.remote);
	session_roam_free(s);
	endpoint_set_path(s, &to);
	session_ecn_restart(s);
	/* Another port is most likely the same path behind a NAT that forgot it (RFC 9000 9.4). */
	if (elsewhere && s->kcp != NULL) {
		kcp_path_changed(s->kcp, now);
		session_pmtu_restart(s, now);
	}
}
