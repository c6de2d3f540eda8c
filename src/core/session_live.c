#include "session_impl.h"

#include "endpoint_impl.h"
#include "error.h"

#define PROOF_RETRY_MAX_US 2000000u
#define KEEP_INTERVAL_US UINT64_C(75000000)  /* Linux: tcp_keepalive_intvl */
#define KEEP_COUNT 9u                        /* Linux: tcp_keepalive_probes */
#define KEEP_DOUBLINGS 4u            /* of the interval, while nobody answers */

/* One sample, of the opening, counts as in RFC 6298 (2.2): who only ever received has no other. */
uint64_t
session_rtt(const struct session *s)
{
	uint64_t opening = (uint64_t)s->opening_rtt * SESSION_OPENING_UNIT_US;
	struct kcp_info info = { .srtt_us = 0 };

	if (s->kcp != NULL)
		kcp_get_info(s->kcp, &info);
	if (info.srtt_us != 0)
		return info.srtt_us + 4 * info.rttvar_us;
	return opening != 0 ? 3 * opening : SESSION_RTT_GUESS_US;
}

uint64_t
session_srtt(const struct session *s)
{
	uint64_t srtt = s->kcp != NULL ? kcp_srtt(s->kcp) : 0;

	return srtt != 0 ? srtt : (uint64_t)s->opening_rtt * SESSION_OPENING_UNIT_US;
}

void
session_note_opening(struct session *s, uint64_t rtt)
{
	rtt = (rtt + SESSION_OPENING_UNIT_US - 1) / SESSION_OPENING_UNIT_US;
	s->opening_rtt = rtt < UINT16_MAX ? (uint16_t)rtt : UINT16_MAX;
}

void
session_alive(struct session *s, uint64_t now)
{
	s->received_at = now;
	if (s->keep_sent > 0)
		session_arm_keepalive(s, now);
	session_icmp_forget(s);
	if (s->unconfirmed) {
		s->unconfirmed = false;
		s->clocks[SESSION_CLOCK_OPEN] = TIMER_NEVER;
		s->clocks[SESSION_CLOCK_GIVEUP] = TIMER_NEVER;
	}
}

void
session_ping(struct session *s, uint64_t now)
{
	s->ping_token = random_u64(&s->endpoint->random);
	s->ping_at = now;
	s->ping_phase = (uint16_t)(s->phases != NULL ? s->phases->tx.phase : 0);
	s->control |= SESSION_CTL_PING;
	if (s->unconfirmed && !s->plain) {
		s->clocks[SESSION_CLOCK_OPEN] = now + s->retry;
		s->retry = s->retry < PROOF_RETRY_MAX_US / 2 ? s->retry * 2 : PROOF_RETRY_MAX_US;
	}
	endpoint_mark_due(s);
}

void
session_arm_keepalive(struct session *s, uint64_t now)
{
	s->keep_sent = 0;
	s->clocks[SESSION_CLOCK_KEEP] = s->keep_idle == 0 ? TIMER_NEVER : s->received_at + s->keep_idle;
}

void
session_arm_user(struct session *s, uint64_t now)
{
	if (s->clocks[SESSION_CLOCK_USER] == TIMER_NEVER)
		s->clocks[SESSION_CLOCK_USER] = now + s->user_timeout;
}

static void
clock_open(struct session *s, uint64_t now)
{
	if (s->state == SESSION_CONNECTING)
		s->send_hello = true;
	else if (s->unconfirmed)
		session_ping(s, now);
}

static void
clock_giveup(struct session *s, uint64_t now)
{
	if (s->state == SESSION_ACCEPTING)
		endpoint_bury(s);
	else
		session_end(s, KCPSHIM_E_TIMEDOUT, false, now);
}

static void
clock_keep(struct session *s, uint64_t now)
{
	uint64_t interval = s->keep_interval != 0 ? s->keep_interval : KEEP_INTERVAL_US;
	uint32_t count = s->keep_count != 0 ? s->keep_count : KEEP_COUNT;

	if (s->state != SESSION_ESTABLISHED || s->peer_done || s->keep_idle == 0)
		return;
	if (s->keep_sent == 0 && now < s->received_at + s->keep_idle) {
		s->clocks[SESSION_CLOCK_KEEP] = s->received_at + s->keep_idle;
		return;
	}
	if (count == SESSION_KEEP_FOREVER)
		interval <<= s->keep_sent < KEEP_DOUBLINGS ? s->keep_sent : KEEP_DOUBLINGS;
	else if (s->keep_sent >= count) {
		session_end(s, KCPSHIM_E_TIMEDOUT, true, now);
		return;
	}
	if (s->keep_sent < UINT8_MAX)
		s->keep_sent++;
	s->clocks[SESSION_CLOCK_KEEP] = now + interval;
	session_ping(s, now);
}

/* Nobody is left who could wait for the outcome of a closed session (Linux: tcp_orphan_retries gives about as long). */
static uint64_t
user_timeout(const struct session *s)
{
	return s->closed && s->user_timeout > SESSION_CLOSED_TIMEOUT_US ? SESSION_CLOSED_TIMEOUT_US : s->user_timeout;
}

/* Set once when something is written and then only moved when it fires: writing stays cheap. */
static void
clock_user(struct session *s, uint64_t now)
{
	struct kcp_info info;
	uint64_t since;

	if (s->state != SESSION_ESTABLISHED || s->peer_done || !s->undrained)
		return;
	kcp_get_info(s->kcp, &info);
	since = info.last_progress > s->received_at ? info.last_progress : s->received_at;
	if (now >= since + user_timeout(s))
		session_end(s, KCPSHIM_E_TIMEDOUT, false, now);
	else
		s->clocks[SESSION_CLOCK_USER] = since + user_timeout(s);
}

static void
clock_idle(struct session *s, uint64_t now)
{
	if (s->state != SESSION_ESTABLISHED || s->peer_done || s->idle_timeout == 0)
		return;
	if (now >= s->received_at + s->idle_timeout)
		session_end(s, KCPSHIM_E_TIMEDOUT, true, now);
	else
		s->clocks[SESSION_CLOCK_IDLE] = s->received_at + s->idle_timeout;
}

static void
clock_rst(struct session *s, uint64_t now)
{
	if (s->rst_left == 0)
		return;
	s->rst_left--;
	s->control |= SESSION_CTL_RST;
	s->clocks[SESSION_CLOCK_RST] = now + s->retry;
	s->retry *= 2;
}

static void
clock_end(struct session *s, uint64_t now)
{
	if (s->state == SESSION_LINGERING)
		session_end(s, 0, false, now);
	else if (s->state == SESSION_ESTABLISHED)
		session_end(s, 0, true, now);
	else if (s->released)
		endpoint_bury(s);
}

static void (*const clock_handlers[SESSION_CLOCK_COUNT])(struct session *, uint64_t) = {
	[SESSION_CLOCK_OPEN] = clock_open,
	[SESSION_CLOCK_GIVEUP] = clock_giveup,
	[SESSION_CLOCK_KEEP] = clock_keep,
	[SESSION_CLOCK_USER] = clock_user,
	[SESSION_CLOCK_IDLE] = clock_idle,
	[SESSION_CLOCK_PROBE] = session_icmp_probe,
	[SESSION_CLOCK_RST] = clock_rst,
	[SESSION_CLOCK_REST] = session_seal_rest,
	[SESSION_CLOCK_ROAM] = session_roam_challenge,
	[SESSION_CLOCK_END] = clock_end,
};

void
session_run_clocks(struct session *s, uint64_t now)
{
	unsigned i;

	for (i = 0; i < SESSION_CLOCK_COUNT && !s->dead; i++) {
		if (s->clocks[i] > now)
			continue;
		s->clocks[i] = TIMER_NEVER;
		clock_handlers[i](s, now);
	}
}
