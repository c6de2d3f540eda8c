#include "session_impl.h"

#include <string.h>

#include "admission.h"
#include "endpoint_impl.h"
#include "error.h"

void
session_config_default(struct session_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->cc = KCP_CC_AUTO;
	kcp_config_default(&cfg->kcp, WIRE_SESSION);
	cfg->mtu = SESSION_MTU_AUTO;
	cfg->crypto = SESSION_CRYPTO_AUTO;
	cfg->open_empty_push = cfg->ecn = true;
	cfg->handshakes = ADMISSION_RATE;
	cfg->connect_timeout_us = SESSION_CONNECT_TIMEOUT_US;
	cfg->user_timeout_us = SESSION_USER_TIMEOUT_US;
}

enum session_state
session_state(const struct session *s)
{
	return (enum session_state)s->state;
}

int
session_error(const struct session *s)
{
	return s->error;
}

uint64_t
session_id(const struct session *s)
{
	return s->id;
}

unsigned
session_take_events(struct session *s)
{
	unsigned events = s->events;

	s->events = 0;
	return events;
}

void
session_set_owner(struct session *s, void *owner)
{
	s->owner = owner;
}

void *
session_owner(const struct session *s)
{
	return s->owner;
}

uint32_t
session_listener(const struct session *s)
{
	return s->listener;
}

const struct path *
session_path(const struct session *s)
{
	return &s->path;
}

const struct netaddr *
session_peer(const struct session *s)
{
	return &s->peer;
}

void
session_event(struct session *s, unsigned events)
{
	if (!s->visible || s->released)
		return;
	s->events |= (uint8_t)events;
	endpoint_mark_ready(s);
}

static bool
may_write(const struct session *s)
{
	return s->state == SESSION_ESTABLISHED && !s->sent_fin && s->kcp != NULL;
}

size_t
session_send_room(const struct session *s)
{
	size_t room = may_write(s) ? kcp_send_room(s->kcp) : 0;

	/* Asking and finding none is what makes SESSION_EV_WRITABLE due; it changes nothing that the caller can see. */
	if (room == 0)
		((struct session *)s)->want_write = true;
	return room;
}

int
session_send_reserve(struct session *s, struct iovec *iov, int n, size_t max)
{
	int filled = may_write(s) ? kcp_send_reserve(s->kcp, iov, n, max) : 0;

	if (filled == 0)
		s->want_write = true;
	return filled;
}

void
session_send_commit(struct session *s, size_t len, uint64_t now)
{
	if (!may_write(s) || len == 0)
		return;
	kcp_send_commit(s->kcp, len, now);
	s->undrained = true;
	session_arm_user(s, now);
	/* Opened without a word from the peer: only now can it be found missing. */
	if (s->plain && s->unconfirmed && s->clocks[SESSION_CLOCK_GIVEUP] == TIMER_NEVER)
		s->clocks[SESSION_CLOCK_GIVEUP] = now + SESSION_CONNECT_TIMEOUT_US;
	endpoint_mark_due(s);
}

int
session_recv_peek(struct session *s, struct iovec *iov, int n)
{
	return s->kcp != NULL ? kcp_recv_peek(s->kcp, iov, n) : 0;
}

size_t
session_recv_ready(const struct session *s)
{
	return s->kcp != NULL ? kcp_recv_ready(s->kcp) : 0;
}

void
session_recv_consume(struct session *s, size_t len, uint64_t now)
{
	if (s->kcp == NULL)
		return;
	kcp_recv_consume(s->kcp, len, now);
	s->ready_seen = kcp_recv_ready(s->kcp);
	session_check_finished(s, now);
	endpoint_mark_due(s);
}

bool
session_recv_eof(const struct session *s)
{
	return s->kcp != NULL && kcp_recv_eof(s->kcp);
}

void
session_shutdown_write(struct session *s, uint64_t now)
{
	if (s->sent_fin || s->state > SESSION_ESTABLISHED)
		return;
	s->sent_fin = true;
	if (s->state != SESSION_ESTABLISHED || s->plain)
		return; /* sent when it opens; never on the plain wire */
	kcp_send_fin(s->kcp, now);
	s->undrained = true;
	session_arm_user(s, now);
	endpoint_mark_due(s);
}

void
session_close(struct session *s, bool unread, uint64_t now)
{
	if (s->state == SESSION_CONNECTING || s->state == SESSION_ACCEPTING) {
		session_end(s, 0, false, now);
		return;
	}
	if (s->state != SESSION_ESTABLISHED || s->closed)
		return;
	if (!s->plain && (unread || kcp_recv_ready(s->kcp) > 0)) {
		session_end(s, KCPSHIM_E_RESET, true, now);
		return;
	}
	s->closed = true;
	session_shutdown_write(s, now);
	if (s->undrained)
		s->clocks[SESSION_CLOCK_USER] = now; /* the limit is another one now */
	session_progress(s, now);
}

void
session_abort(struct session *s, uint64_t now)
{
	if (s->state != SESSION_CLOSED)
		session_end(s, KCPSHIM_E_RESET, s->state != SESSION_LINGERING, now);
}

void
session_cork(struct session *s, bool on, uint64_t now)
{
	if (s->kcp == NULL)
		return;
	kcp_set_cork(s->kcp, on, now);
	endpoint_mark_due(s);
}

void
session_set_timeouts(struct session *s, uint64_t user_timeout_us, uint64_t keep_idle_us, uint64_t keep_interval_us,
    uint32_t keep_count, uint64_t now)
{
	s->user_timeout = user_timeout_us != 0 ? user_timeout_us : SESSION_USER_TIMEOUT_US;
	s->keep_idle = keep_idle_us;
	s->keep_interval = keep_interval_us;
	s->keep_count = (uint16_t)keep_count;
	if (s->state != SESSION_ESTABLISHED)
		return;
	session_arm_keepalive(s, now);
	if (s->undrained)
		s->clocks[SESSION_CLOCK_USER] = now; /* measured anew from the last progress */
	endpoint_mark_due(s);
}

struct kcp *
session_kcp(struct session *s)
{
	return s->kcp;
}

uint64_t
session_deadline(const struct session *s)
{
	uint64_t at = TIMER_NEVER, t;
	unsigned i;

	for (i = 0; i < SESSION_CLOCK_COUNT; i++)
		if (s->clocks[i] < at)
			at = s->clocks[i];
	t = session_pmtu_deadline(s);
	if (t < at)
		at = t;
	if (session_streaming(s)) {
		t = kcp_deadline(s->kcp);
		if (t < at)
			at = t;
	}
	return at;
}

size_t
session_output(struct session *s, struct path *path, uint8_t *buf, size_t cap, uint64_t now)
{
	size_t len;

	session_run_clocks(s, now);
	if (s->dead)
		return 0;
	*path = s->path;
	if ((len = session_pmtu_output(s, buf, cap, now)) > 0)
		;
	else if (s->plain)
		len = session_output_plain(s, buf, cap, now);
	else if (s->state == SESSION_CONNECTING || s->state == SESSION_ACCEPTING)
		len = session_output_hello(s, buf, cap, now);
	else
		len = session_output_data(s, path, buf, cap, now);
	if (len > 0) {
		s->datagrams_sent++;
		s->wire_bytes_sent += len;
	}
	return len;
}

void
session_set_sock(struct session *s, uint32_t sock)
{
	struct path path = s->path;

	path.sock = sock;
	endpoint_set_path(s, &path);
}

void
session_get_info(const struct session *s, struct session_info *info)
{
	memset(info, 0, sizeof(*info));
	info->state = session_state(s);
	info->error = s->error;
	info->sent_fin = s->sent_fin;
	info->got_fin = s->got_fin;
	info->suite = s->suite;
	info->authenticated = s->authenticated;
	info->plain = s->plain;
	info->mtu = s->mtu;
	info->opened_at = s->opened_at;
	info->datagrams_sent = s->datagrams_sent;
	info->datagrams_received = s->datagrams_received;
	info->wire_bytes_sent = s->wire_bytes_sent;
	info->wire_bytes_received = s->wire_bytes_received;
	info->dropped = s->dropped;
	info->restored = session_fec_count(s);
	session_ecn_get(s, info);
	if (s->kcp == NULL)
		return;
	kcp_get_info(s->kcp, &info->kcp);
	info->fin_acked = info->kcp.fin_acked;
}
