#include "endpoint_impl.h"

#include <string.h>

#include "bytes.h"
#include "error.h"
#include "mem.h"

static uint32_t
cid_hash(const struct endpoint *ep, uint32_t cid)
{
	/* Our ids are random already. */
	return cid ^ ep->hash_seed;
}

struct endpoint *
endpoint_new(struct mem *mem, const uint8_t seed[32])
{
	struct endpoint *ep = mem_alloc(mem, sizeof(*ep));

	if (ep == NULL)
		return NULL;
	ep->mem = mem;
	random_init(&ep->random, seed);
	ep->hash_seed = random_u32(&ep->random);
	random_bytes(&ep->random, ep->reset_secret, sizeof(ep->reset_secret));
	timer_wheel_init(&ep->wheel, 0);
	admission_init(&ep->admission, mem, &ep->random);
	TAILQ_INIT(&ep->all);
	TAILQ_INIT(&ep->due);
	TAILQ_INIT(&ep->ready);
	TAILQ_INIT(&ep->dead);
	TAILQ_INIT(&ep->listeners);
	if (hash_init(&ep->by_cid, mem) == 0 && hash_init(&ep->by_peer, mem) == 0 && hash_init(&ep->by_path, mem) == 0)
		return ep;
	endpoint_free(ep);
	return NULL;
}

/* --- sessions in and out of the tables --- */

uint32_t
endpoint_path_hash(const struct endpoint *ep, const struct path *path, uint32_t salt)
{
	return netaddr_hash(&path->remote, ep->hash_seed ^ path->sock * 0x9e3779b1u ^ salt * 0x85ebca6bu);
}

bool
endpoint_same_peer(const struct session *s, const struct path *path)
{
	return s->path.sock == path->sock && netaddr_equal(&s->path.remote, &path->remote);
}

static uint32_t
fresh_cid(struct endpoint *ep, const struct listener *l)
{
	uint32_t cid;

	do
		cid = l != NULL ? session_reset_cid(ep, &l->config) : random_u32(&ep->random);
	while (cid == 0 || endpoint_find_cid(ep, cid) != NULL);
	return cid;
}

struct session *
endpoint_add(struct endpoint *ep, const struct listener *l, const struct path *path, uint64_t now)
{
	struct session *s = mem_alloc(ep->mem, sizeof(*s));
	unsigned i;

	if (s == NULL)
		return NULL;
	s->endpoint = ep;
	timer_init(&s->timer);
	for (i = 0; i < SESSION_CLOCK_COUNT; i++)
		s->clocks[i] = TIMER_NEVER;
	s->listener = l != NULL ? l->handle : 0;
	s->cid = fresh_cid(ep, l);
	s->id = ++ep->next_session << 32 | s->cid;
	s->path = *path;
	s->peer = path->remote;
	hash_insert(&ep->by_cid, ep->mem, &s->by_cid, cid_hash(ep, s->cid));
	hash_insert(&ep->by_path, ep->mem, &s->by_path, endpoint_path_hash(ep, path, 0));
	TAILQ_INSERT_TAIL(&ep->all, s, all);
	return s;
}

void
endpoint_index_peer(struct session *s)
{
	uint32_t salt = s->reset.id != 0 ? s->reset.id : s->peer_cid;

	hash_insert(&s->endpoint->by_peer, s->endpoint->mem, &s->by_peer, endpoint_path_hash(s->endpoint, &s->path, salt));
}

void
endpoint_set_path(struct session *s, const struct path *path)
{
	struct endpoint *ep = s->endpoint;

	hash_remove(&ep->by_path, &s->by_path);
	s->path = *path;
	hash_insert(&ep->by_path, ep->mem, &s->by_path, endpoint_path_hash(ep, path, 0));
	if (s->by_peer.prevp == NULL)
		return;
	hash_remove(&ep->by_peer, &s->by_peer);
	endpoint_index_peer(s);
}

struct session *
endpoint_find_cid(struct endpoint *ep, uint32_t cid)
{
	struct hash_node *n;

	for (n = hash_first(&ep->by_cid, cid_hash(ep, cid)); n != NULL; n = hash_next(n))
		if (session_of(n, by_cid)->cid == cid)
			return session_of(n, by_cid);
	return NULL;
}

struct session *
endpoint_find_peer(struct endpoint *ep, const struct path *path, uint32_t peer_cid)
{
	struct hash_node *n;
	struct session *s;

	for (n = hash_first(&ep->by_peer, endpoint_path_hash(ep, path, peer_cid)); n != NULL; n = hash_next(n)) {
		s = session_of(n, by_peer);
		if (s->reset.id == 0 && s->peer_cid == peer_cid && endpoint_same_peer(s, path))
			return s;
	}
	return NULL;
}

struct session *
endpoint_find_reset(struct endpoint *ep, const struct path *path, uint32_t reset_id)
{
	struct hash_node *n;
	struct session *s;

	for (n = hash_first(&ep->by_peer, endpoint_path_hash(ep, path, reset_id)); n != NULL; n = hash_next(n)) {
		s = session_of(n, by_peer);
		if (s->reset.id == reset_id && reset_id != 0 && endpoint_same_peer(s, path))
			return s;
	}
	return NULL;
}

static void
leave_queues(struct session *s)
{
	struct endpoint *ep = s->endpoint;

	if (s->in_due)
		TAILQ_REMOVE(&ep->due, s, due);
	if (s->in_ready)
		TAILQ_REMOVE(&ep->ready, s, ready);
	s->in_due = s->in_ready = false;
	timer_clear(&ep->wheel, &s->timer);
}

void
endpoint_bury(struct session *s)
{
	struct endpoint *ep = s->endpoint;

	if (s->dead)
		return;
	if (s->state == SESSION_ACCEPTING)
		endpoint_half_open_done(s);
	leave_queues(s);
	hash_remove(&ep->by_cid, &s->by_cid);
	hash_remove(&ep->by_peer, &s->by_peer);
	hash_remove(&ep->by_path, &s->by_path);
	TAILQ_REMOVE(&ep->all, s, all);
	s->dead = true;
	TAILQ_INSERT_TAIL(&ep->dead, s, due);
}

void
endpoint_reap(struct endpoint *ep)
{
	struct session *s;

	while ((s = TAILQ_FIRST(&ep->dead)) != NULL) {
		TAILQ_REMOVE(&ep->dead, s, due);
		ep->nplain -= s->plain;
		session_opening_free(s);
		if (s->kcp != NULL)
			kcp_free(s->kcp);
		session_fec_free(s);
		session_roam_free(s);
		session_pmtu_free(s);
		session_ecn_free(s);
		session_seal_free(s);
		mem_free(ep->mem, s, sizeof(*s));
	}
}

void
endpoint_mark_due(struct session *s)
{
	if (s->in_due || s->dead)
		return;
	TAILQ_INSERT_TAIL(&s->endpoint->due, s, due);
	s->in_due = true;
}

void
endpoint_mark_ready(struct session *s)
{
	if (s->in_ready || s->dead)
		return;
	TAILQ_INSERT_TAIL(&s->endpoint->ready, s, ready);
	s->in_ready = true;
}

static void
listener_free(struct endpoint *ep, struct listener *l)
{
	TAILQ_REMOVE(&ep->listeners, l, link);
	ep->nplain -= l->config.plain;
	seal_free(ep->mem, l->seal);
	mem_free(ep->mem, l, sizeof(*l));
}

void
endpoint_free(struct endpoint *ep)
{
	struct mem *mem = ep->mem;
	struct listener *l;

	while (!TAILQ_EMPTY(&ep->all))
		endpoint_bury(TAILQ_FIRST(&ep->all));
	endpoint_reap(ep);
	while ((l = TAILQ_FIRST(&ep->listeners)) != NULL)
		listener_free(ep, l);
	admission_dispose(&ep->admission);
	mem_free(mem, ep->posts, ENDPOINT_POSTS * sizeof(*ep->posts));
	hash_dispose(&ep->by_cid, mem);
	hash_dispose(&ep->by_peer, mem);
	hash_dispose(&ep->by_path, mem);
	explicit_bzero(ep, sizeof(*ep));
	mem_free(mem, ep, sizeof(*ep));
}

void
endpoint_set_time(struct endpoint *ep, uint64_t unix_ns, uint64_t now)
{
	ep->clock_offset = unix_ns - now * 1000;
	if (ep->started == 0)
		ep->started = unix_ns;
}

uint64_t
endpoint_wall(const struct endpoint *ep, uint64_t now)
{
	return ep->clock_offset + now * 1000;
}

void
endpoint_set_reset_secret(struct endpoint *ep, const uint8_t secret[32])
{
	memcpy(ep->reset_secret, secret, sizeof(ep->reset_secret));
}

/* --- listeners --- */

struct listener *
endpoint_listener(struct endpoint *ep, uint32_t handle)
{
	struct listener *l;

	TAILQ_FOREACH(l, &ep->listeners, link)
		if (l->handle == handle)
			return l;
	return NULL;
}

struct listener *
endpoint_listener_of(struct endpoint *ep, uint32_t sock)
{
	struct listener *l;

	TAILQ_FOREACH(l, &ep->listeners, link)
		if (l->sock == sock)
			return l;
	return NULL;
}

int
endpoint_listen(struct endpoint *ep, uint32_t sock, const struct session_config *cfg)
{
	struct listener *l;

	if (endpoint_listener_of(ep, sock) != NULL)
		return KCPSHIM_E_FULL;
	if (ep->posts == NULL && (ep->posts = mem_alloc(ep->mem, ENDPOINT_POSTS * sizeof(*ep->posts))) == NULL)
		return KCPSHIM_E_NOMEM;
	l = mem_alloc(ep->mem, sizeof(*l));
	if (l == NULL)
		return KCPSHIM_E_NOMEM;
	l->handle = ++ep->next_listener;
	l->sock = sock;
	l->room = UINT32_MAX;
	TAILQ_INIT(&l->half_open);
	l->config = *cfg;
	if ((cfg->plain && (l->seal = session_plain_seal(ep->mem, cfg)) == NULL) ||
	    (!cfg->plain && session_config_sealed(cfg) && admission_remember(&ep->admission, ep->started) != 0)) {
		mem_free(ep->mem, l, sizeof(*l));
		return KCPSHIM_E_NOMEM;
	}
	ep->nplain += cfg->plain;
	TAILQ_INSERT_HEAD(&ep->listeners, l, link);
	return (int)l->handle;
}

void
endpoint_listener_room(struct endpoint *ep, uint32_t listener, uint32_t room)
{
	struct listener *l = endpoint_listener(ep, listener);

	if (l != NULL)
		l->room = room;
}

void
endpoint_listener_shared(struct endpoint *ep, uint32_t listener)
{
	struct listener *l = endpoint_listener(ep, listener);

	if (l != NULL)
		l->config.no_reset = true;
}

void
endpoint_half_open(struct session *s, struct listener *l)
{
	TAILQ_INSERT_TAIL(&l->half_open, s, ready);
	l->nhalf_open++;
}

void
endpoint_half_open_done(struct session *s)
{
	struct listener *l = endpoint_listener(s->endpoint, s->listener);

	if (l == NULL)
		return;
	TAILQ_REMOVE(&l->half_open, s, ready);
	l->nhalf_open--;
}

void
endpoint_refuse(struct endpoint *ep, uint32_t listener, uint64_t now)
{
	struct session *s, *next;

	for (s = TAILQ_FIRST(&ep->all); s != NULL; s = next) {
		next = TAILQ_NEXT(s, all);
		if (s->state != SESSION_ACCEPTING || s->listener != listener)
			continue;
		endpoint_half_open_done(s);
		session_abort(s, now);
		endpoint_release(ep, s);
	}
}

void
endpoint_unlisten(struct endpoint *ep, uint32_t listener)
{
	struct listener *l = endpoint_listener(ep, listener);
	struct session *s, *next;

	if (l == NULL)
		return;
	for (s = TAILQ_FIRST(&ep->all); s != NULL; s = next) {
		next = TAILQ_NEXT(s, all);
		if (s->state == SESSION_ACCEPTING && s->listener == listener)
			endpoint_bury(s);
	}
	endpoint_reap(ep);
	listener_free(ep, l);
}

/* --- sessions of the engine --- */

struct session *
endpoint_connect(struct endpoint *ep, const struct path *path, const struct session_config *cfg, uint64_t now)
{
	struct session *s = endpoint_add(ep, NULL, path, now);

	if (s == NULL)
		return NULL;
	s->visible = true;
	if (session_connect(s, cfg, now) == 0)
		return s;
	endpoint_bury(s);
	endpoint_reap(ep);
	return NULL;
}

void
endpoint_release(struct endpoint *ep, struct session *s)
{
	if (s->state == SESSION_CLOSED && !s->released && (s->control != 0 || s->rst_left > 0)) {
		/* Its last word still has to arrive; only what that takes is kept. */
		if (s->kcp != NULL)
			kcp_free(s->kcp);
		s->kcp = NULL;
		s->owner = NULL;
		s->released = true;
		if (s->in_ready)
			TAILQ_REMOVE(&ep->ready, s, ready);
		s->in_ready = false;
		return;
	}
	endpoint_bury(s);
	endpoint_reap(ep);
}

struct session *
endpoint_find(struct endpoint *ep, uint64_t id)
{
	struct session *s = endpoint_find_cid(ep, (uint32_t)id);

	return s != NULL && s->id == id && s->visible && !s->released ? s : NULL;
}

struct session *
endpoint_each(struct endpoint *ep, struct session *prev)
{
	struct session *s = prev == NULL ? TAILQ_FIRST(&ep->all) : TAILQ_NEXT(prev, all);

	while (s != NULL && (!s->visible || s->released))
		s = TAILQ_NEXT(s, all);
	return s;
}

struct session *
endpoint_next_ready(struct endpoint *ep)
{
	struct session *s = TAILQ_FIRST(&ep->ready);

	if (s == NULL)
		return NULL;
	TAILQ_REMOVE(&ep->ready, s, ready);
	s->in_ready = false;
	return s;
}

/* --- what is due --- */

void
endpoint_post(struct endpoint *ep, const struct path *path, const uint8_t *data, size_t len)
{
	struct post *p;

	if (ep->post_count == ENDPOINT_POSTS)
		return;
	p = &ep->posts[(ep->post_head + ep->post_count++) % ENDPOINT_POSTS];
	p->path = *path;
	p->len = (uint8_t)len;
	memcpy(p->data, data, len);
}

static size_t
output_post(struct endpoint *ep, struct path *path, uint8_t *buf)
{
	const struct post *p;

	if (ep->post_count == 0)
		return 0;
	p = &ep->posts[ep->post_head++ % ENDPOINT_POSTS];
	ep->post_count--;
	*path = p->path;
	memcpy(buf, p->data, p->len);
	return p->len;
}

/* Nothing is due now: it sleeps until its next deadline. */
static void
session_sleep(struct session *s, uint64_t now)
{
	struct endpoint *ep = s->endpoint;
	uint64_t at = session_deadline(s);

	TAILQ_REMOVE(&ep->due, s, due);
	s->in_due = false;
	s->burst = 0;
	timer_set(&ep->wheel, &s->timer, at <= now ? now + 1 : at);
}

/* Fair among those that are due, yet in bursts, which the engine can hand to the kernel in one call. */
static void
session_next_turn(struct session *s)
{
	struct endpoint *ep = s->endpoint;

	if (++s->burst < ENDPOINT_BURST)
		return;
	s->burst = 0;
	TAILQ_REMOVE(&ep->due, s, due);
	TAILQ_INSERT_TAIL(&ep->due, s, due);
}

size_t
endpoint_output(struct endpoint *ep, struct path *path, uint8_t *buf, size_t cap, uint64_t now)
{
	struct session *s;
	struct timer *t;
	size_t len = output_post(ep, path, buf);

	ep->fragment = ep->alone = false;
	ep->mark_out = ECN_NOT_ECT;
	while ((t = timer_expire(&ep->wheel, now)) != NULL)
		endpoint_mark_due(session_of(t, timer));
	while (len == 0 && (s = TAILQ_FIRST(&ep->due)) != NULL) {
		len = session_output(s, path, buf, cap, now);
		if (s->dead)
			continue;
		if (len == 0)
			session_sleep(s, now);
		else
			session_next_turn(s);
	}
	endpoint_reap(ep);
	return len;
}

uint64_t
endpoint_deadline(const struct endpoint *ep)
{
	return TAILQ_EMPTY(&ep->due) && ep->post_count == 0 ? timer_next(&ep->wheel) : 0;
}
