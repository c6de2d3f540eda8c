#include "session_impl.h"

#include "endpoint_impl.h"
#include "error.h"

bool
session_streaming(const struct session *s)
{
	if (s->state == SESSION_CONNECTING)
		return s->plain;
	return (s->state == SESSION_ESTABLISHED || s->state == SESSION_LINGERING) && !s->peer_done;
}

static uint64_t
linger_time(const struct session *s)
{
	struct kcp_info info;
	uint64_t t;

	/* A peer that can say that it is done usually ends this at once; without that word it still repeats itself. */
	if (!s->plain)
		return SESSION_LINGER_MAX_US;
	kcp_get_info(s->kcp, &info);
	t = SESSION_LINGER_RTOS * info.rto_us;
	if (t < SESSION_LINGER_MIN_US)
		t = SESSION_LINGER_MIN_US;
	return t < SESSION_LINGER_MAX_US ? t : SESSION_LINGER_MAX_US;
}

static void
stop_clocks(struct session *s)
{
	unsigned i;

	for (i = 0; i < SESSION_CLOCK_COUNT; i++)
		s->clocks[i] = TIMER_NEVER;
}

void
session_linger(struct session *s, uint64_t now)
{
	stop_clocks(s);
	session_roam_free(s);
	s->state = SESSION_LINGERING;
	s->linger_max = now + SESSION_LINGER_MAX_US;
	s->clocks[SESSION_CLOCK_END] = now + linger_time(s);
	if (!s->plain)
		s->control |= SESSION_CTL_DONE;
	session_event(s, SESSION_EV_CLOSED);
	endpoint_mark_due(s);
}

void
session_linger_on(struct session *s, uint64_t now)
{
	uint64_t at = now + linger_time(s);

	s->clocks[SESSION_CLOCK_END] = at < s->linger_max ? at : s->linger_max;
	if (!s->plain)
		s->control |= SESSION_CTL_DONE;
}

void
session_check_finished(struct session *s, uint64_t now)
{
	if (s->state != SESSION_ESTABLISHED || !s->sent_fin || !s->got_fin || !kcp_recv_eof(s->kcp))
		return;
	if (s->peer_done) {
		session_end(s, 0, false, now);
		/* The peer may leave too. */
		s->control = SESSION_CTL_DONE;
		s->clocks[SESSION_CLOCK_END] = now + SESSION_DONE_US;
	} else if (kcp_send_drained(s->kcp)) {
		session_linger(s, now);
	}
}

void
session_end(struct session *s, int error, bool rst, uint64_t now)
{
	stop_clocks(s);
	session_roam_free(s);
	s->state = SESSION_CLOSED;
	s->error = (int16_t)error;
	s->control = 0;
	s->send_hello = false;
	if (rst && session_sealed(s) && !s->plain) {
		s->rst_sent = true;
		s->control = SESSION_CTL_RST;
		s->rst_left = SESSION_RST_REPEATS;
		s->retry = (uint32_t)session_rtt(s);
		s->clocks[SESSION_CLOCK_RST] = now + s->retry;
		s->clocks[SESSION_CLOCK_END] = now + SESSION_RST_US;
	}
	session_opening_free(s);
	session_event(s, SESSION_EV_CLOSED | SESSION_EV_READABLE);
	endpoint_mark_due(s);
}
