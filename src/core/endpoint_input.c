#include "endpoint_impl.h"

#include "bytes.h"
#include "error.h"

static int
input_unknown(struct endpoint *ep, struct listener *l, const struct path *path, uint8_t *d, size_t len, uint64_t now)
{
	int error;

	if ((d[4] & ~1u) != SESSION_KIND_DATA)
		return KCPSHIM_E_UNKNOWN;
	error = session_reset_input(ep, path, d, len, now);
	return error == KCPSHIM_E_UNKNOWN && l != NULL ? session_reset_answer(ep, l, path, d, len, now) : error;
}

static int
input_known(struct endpoint *ep, struct listener *l, const struct path *path, uint8_t *d, size_t len, uint64_t now)
{
	struct session *s = endpoint_find_cid(ep, bytes_get32(d));

	if (s == NULL)
		return input_unknown(ep, l, path, d, len, now);
	if (s->plain)
		return KCPSHIM_E_UNKNOWN;
	/* Only what is sealed may come from elsewhere: its sender proves itself. */
	if (!netaddr_equal(&s->path.remote, &path->remote) && (s->phases == NULL || s->listener == 0))
		return KCPSHIM_E_UNKNOWN;
	switch (d[4]) {
	case HANDSHAKE_KIND_ACCEPT:
		return session_input_accept(s, d, len, now);
	case HANDSHAKE_KIND_RETRY:
		return session_input_retry(s, d, len, now);
	default:
		return session_input_data(s, path, d, len, now);
	}
}

static int
input_session(struct endpoint *ep, struct listener *l, const struct path *path, uint8_t *d, size_t len, uint64_t now)
{
	if (len < SESSION_HEADER_LEN)
		return KCPSHIM_E_SHORT;
	switch (d[4]) {
	case HANDSHAKE_KIND_INIT:
		return l != NULL ? session_input_init(ep, l, path, d, len, now) : KCPSHIM_E_UNKNOWN;
	case HANDSHAKE_KIND_ACCEPT:
	case HANDSHAKE_KIND_RETRY:
	case SESSION_KIND_DATA:
	case SESSION_KIND_DATA | 1:
		return input_known(ep, l, path, d, len, now);
	default:
		return KCPSHIM_E_FORMAT;
	}
}

/* Any plain session over this path; a live one rather than one that is over. */
static struct session *
find_plain(struct endpoint *ep, const struct path *path)
{
	struct session *s, *over = NULL;
	struct hash_node *n;

	for (n = hash_first(&ep->by_path, endpoint_path_hash(ep, path, 0)); n != NULL; n = hash_next(n)) {
		s = session_of(n, by_path);
		if (!s->plain || !endpoint_same_peer(s, path))
			continue;
		if (s->state != SESSION_CLOSED)
			return s;
		over = s;
	}
	return over;
}

/* The KCP bytes of one datagram; *known is the session that has them. */
static int
input_kcp(struct endpoint *ep, struct listener *l, struct session *at_path, const struct path *path,
    const uint8_t *kcp, size_t n, size_t len, struct session **known, uint64_t now)
{
	struct session *s;
	int error;

	if (n < WIRE_PLAIN_HEADER)
		return KCPSHIM_E_SHORT;
	*known = s = endpoint_find_peer(ep, path, bytes_get32(kcp));
	if (s != NULL && s->state != SESSION_CLOSED)
		return session_input_plain(s, kcp, n, len, now);
	if (l == NULL || (at_path != NULL && at_path->listener == 0))
		return KCPSHIM_E_UNKNOWN;
	error = session_accept_plain(ep, l, at_path, path, kcp, n, len, now);
	*known = error == 0 ? endpoint_find_peer(ep, path, bytes_get32(kcp)) : NULL;
	return error;
}

/* With erasure groups the KCP bytes have kcp-go's header in front; parity belongs to the address. */
static int
input_plain_fec(struct endpoint *ep, struct listener *l, struct session *at_path, const struct path *path,
    const uint8_t *d, size_t n, size_t len, uint64_t now)
{
	struct session *s = at_path;
	const uint8_t *kcp;
	size_t kcp_len;
	int error = 0;

	if (!session_fec_plain_read(d, n, &kcp, &kcp_len))
		return KCPSHIM_E_FORMAT;
	if (kcp != NULL)
		error = input_kcp(ep, l, at_path, path, kcp, kcp_len, len, &s, now);
	if (error == 0 && s != NULL)
		session_input_plain_fec(s, d, n, now);
	return error;
}

/* Sessions are told apart by address and conv. Behind a seal the conv shows only when it is opened; all sessions over one
 * path come from one rule, so that any of them can do it. */
static int
input_plain(struct endpoint *ep, struct listener *l, struct session *at_path, const struct path *path,
    uint8_t *d, size_t len, uint64_t now)
{
	bool fec = at_path != NULL ? at_path->fec_sends : l->config.fec == SESSION_FEC_FIXED;
	struct session *known;
	uint8_t *plain;
	int n = seal_open(at_path != NULL ? at_path->rx : l->seal, 0, NULL, 0, d, len, &plain);

	if (n < 0)
		return n;
	return fec ? input_plain_fec(ep, l, at_path, path, plain, (size_t)n, len, now)
	    : input_kcp(ep, l, at_path, path, plain, (size_t)n, len, &known, now);
}

int
endpoint_input(struct endpoint *ep, const struct path *path, uint8_t *data, size_t len, uint64_t now)
{
	struct listener *l = endpoint_listener_of(ep, path->sock);
	struct session *s = ep->nplain > 0 ? find_plain(ep, path) : NULL;
	int error;

	if (s != NULL || (l != NULL && l->config.plain))
		error = input_plain(ep, l != NULL && l->config.plain ? l : NULL, s, path, data, len, now);
	else
		error = input_session(ep, l, path, data, len, now);
	endpoint_reap(ep);
	return error;
}

void
endpoint_icmp(struct endpoint *ep, const struct path *path, int error, const uint8_t *quote, size_t len, uint64_t now)
{
	struct hash_node *n, *next;
	struct session *s;

	for (n = hash_first(&ep->by_path, endpoint_path_hash(ep, path, 0)); n != NULL; n = next) {
		next = hash_next(n);
		s = session_of(n, by_path);
		if (!endpoint_same_peer(s, path))
			continue;
		session_icmp(s, error, quote, len, now);
		endpoint_mark_due(s);
	}
	endpoint_reap(ep);
}

void
endpoint_path_mtu(struct endpoint *ep, const struct path *path, size_t payload, uint64_t now)
{
	struct hash_node *n;

	for (n = hash_first(&ep->by_path, endpoint_path_hash(ep, path, 0)); n != NULL; n = hash_next(n))
		if (endpoint_same_peer(session_of(n, by_path), path))
			session_pmtu_hint(session_of(n, by_path), payload, now);
}

void
endpoint_too_big(struct endpoint *ep, const struct path *path, size_t size, size_t fits, uint64_t now)
{
	struct hash_node *n;

	for (n = hash_first(&ep->by_path, endpoint_path_hash(ep, path, 0)); n != NULL; n = hash_next(n))
		if (endpoint_same_peer(session_of(n, by_path), path))
			session_pmtu_refused(session_of(n, by_path), size, fits, now);
}

void
endpoint_set_mark(struct endpoint *ep, enum ecn_mark mark)
{
	ep->mark_in = (uint8_t)mark;
}

enum ecn_mark
endpoint_mark(const struct endpoint *ep)
{
	return (enum ecn_mark)ep->mark_out;
}
