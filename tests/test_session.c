#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/error.h"
#include "core/session.h"
#include "core/unsealed.h"
#include "sesspair.h"
#include "checkmain.h"

static struct sesspair sp;
static struct session_config cfg;
static struct session *client, *server;
static char text[4096];

static void
setup(void)
{
	session_config_default(&cfg);
	cfg.crypto = SESSION_CRYPTO_NONE;
	cfg.kcp.snd_wnd = cfg.kcp.rcv_wnd = 64;
	sesspair_init(&sp, &cfg);
}

static void
setup_open(void)
{
	setup();
	sesspair_open(&sp, &cfg, &client, &server);
}

static void
teardown(void)
{
	sesspair_dispose(&sp);
}

/* --- opening --- */

START_TEST(opens_in_one_round_trip)
{
	struct session_info info;

	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + 2 * SESSPAIR_DELAY);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_ptr_null(endpoint_next_ready(sp.ep[1])); /* not proven yet */
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY);
	server = sesspair_accept(&sp);
	ck_assert_ptr_nonnull(server);
	ck_assert_uint_eq(session_listener(server), (uint32_t)sp.listener);
	ck_assert_uint_eq(session_peer(server)->port, 1001);
	session_get_info(server, &info);
	ck_assert_uint_eq(info.opened_at, sp.now);
	ck_assert(!info.plain && !info.authenticated);
	ck_assert_ptr_eq(endpoint_find(sp.ep[1], session_id(server)), server);
}
END_TEST

/* A quarter of a second, then doubling, for 127 s. */
START_TEST(connect_repeats_and_times_out)
{
	uint64_t start = sp.now;

	sp.cut[0] = true;
	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, start + 126999999);
	ck_assert_int_eq(session_state(client), SESSION_CONNECTING);
	ck_assert_uint_eq(sp.log[1].at - start, 250000);
	ck_assert_uint_eq(sp.log[2].at - start, 750000);
	ck_assert_int_ge(sp.nlog, 15);
	ck_assert_int_le(sp.nlog, 40);
	sesspair_run(&sp, start + 127100000);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_TIMEDOUT);
	ck_assert_ptr_eq(endpoint_next_ready(sp.ep[0]), client);
	ck_assert_uint_eq(session_take_events(client) & (SESSION_EV_OPENED | SESSION_EV_CLOSED), SESSION_EV_CLOSED);
}
END_TEST

/* The ACCEPT is lost, then the proof: the client repeats first one, then the other; the server never does on its own. */
START_TEST(lost_flights_are_repeated)
{
	sp.cut[1] = true;
	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + 100000);
	ck_assert_int_eq(sesspair_sent(&sp, 1, 0), 1);
	sp.cut[1] = false;
	sesspair_run(&sp, sp.now + 170000 - SESSPAIR_DELAY);
	sp.cut[0] = true;
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_ptr_null(endpoint_next_ready(sp.ep[1]));
	sp.cut[0] = false;
	sesspair_settle(&sp);
	ck_assert_ptr_nonnull(sesspair_accept(&sp));
	ck_assert_ptr_null(sesspair_accept(&sp));
}
END_TEST

START_TEST(repeated_flights_are_harmless)
{
	int i, n;

	for (i = 0; i < 3; i++) {
		sesspair_replay(&sp, i);
		sesspair_replay(&sp, i);
	}
	n = sp.nlog;
	sesspair_settle(&sp);
	ck_assert_int_le(sp.nlog, n + 2);
	ck_assert_ptr_null(sesspair_accept(&sp));
	sesspair_write(&sp, client, "still there");
	sesspair_settle(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 11);
	ck_assert_ptr_null(endpoint_each(sp.ep[1], endpoint_each(sp.ep[1], NULL)));
}
END_TEST

/* Nobody may be made to send more than was sent to him. */
START_TEST(answers_are_smaller)
{
	client = sesspair_connect(&sp, 1, &cfg);
	sp.cut[1] = true;
	sesspair_run(&sp, sp.now + 3000000);
	ck_assert_int_eq(sesspair_sent(&sp, 0, 0), sesspair_sent(&sp, 1, 0));
	ck_assert_uint_lt(UNSEALED_ACCEPT_LEN, UNSEALED_INIT_LEN);
	sp.cut[0] = true;
	sesspair_run(&sp, sp.now + 100000000);
	ck_assert_int_lt(sesspair_sent(&sp, 1, 0), 6);
}
END_TEST

START_TEST(half_open_is_forgotten)
{
	size_t before = mem_used(sp.mem[1]);

	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY + 1000);
	ck_assert_uint_gt(mem_used(sp.mem[1]), before);
	session_close(client, false, sp.now);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	sesspair_run(&sp, sp.now + 64000000);
	ck_assert_uint_eq(mem_used(sp.mem[1]), before);
	ck_assert_ptr_null(endpoint_next_ready(sp.ep[1]));
}
END_TEST

/* --- streams and their ends --- */

START_TEST(half_close_each_way)
{
	sesspair_write(&sp, client, "question");
	session_shutdown_write(client, sp.now);
	session_shutdown_write(client, sp.now);
	ck_assert_uint_eq(session_send_room(client), 0);
	sesspair_settle(&sp);
	ck_assert(!session_recv_eof(server));
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 8);
	ck_assert_str_eq(text, "question");
	ck_assert(session_recv_eof(server));
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
	sesspair_write(&sp, server, "answer");
	sesspair_settle(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, client, text, sizeof(text)), 6);
	ck_assert(!session_recv_eof(client));
	session_close(server, false, sp.now);
	sesspair_settle(&sp);
	ck_assert(session_recv_eof(client));
	ck_assert_int_ge(session_state(client), SESSION_LINGERING);
	sesspair_run(&sp, sp.now + 11000000);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
	ck_assert_int_eq(session_error(client), 0);
	ck_assert_int_eq(session_error(server), 0);
}
END_TEST

/* In the usual case neither side waits: each tells the other that it has everything. */
START_TEST(both_ends_leave_at_once)
{
	uint64_t start = sp.now;

	session_close(client, false, sp.now);
	session_close(server, false, sp.now);
	sesspair_run(&sp, start + 10 * SESSPAIR_DELAY);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
}
END_TEST

/* The last acknowledgement is lost: the side that lingers gives it again. */
START_TEST(lingering_acknowledges_again)
{
	session_close(client, false, sp.now);
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY);
	sp.cut[0] = true;
	session_close(server, false, sp.now);
	sesspair_run(&sp, sp.now + 3 * SESSPAIR_DELAY);
	ck_assert_int_eq(session_state(client), SESSION_LINGERING);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
	sp.cut[0] = false;
	sesspair_run(&sp, sp.now + 3000000);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
	ck_assert_int_eq(session_error(server), 0);
}
END_TEST

/* ... but not for ever. */
START_TEST(lingering_is_bounded)
{
	session_close(client, false, sp.now);
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY);
	sp.cut[0] = true;
	session_close(server, false, sp.now);
	sesspair_run(&sp, sp.now + 10100000);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_error(client), 0);
}
END_TEST

START_TEST(drained_when_acknowledged)
{
	sesspair_write(&sp, client, "bytes");
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY);
	ck_assert_ptr_null(endpoint_next_ready(sp.ep[0]));
	sesspair_run(&sp, sp.now + 10 * SESSPAIR_DELAY);
	ck_assert_ptr_eq(endpoint_next_ready(sp.ep[0]), client);
	ck_assert_uint_ne(session_take_events(client) & SESSION_EV_DRAINED, 0);
}
END_TEST

START_TEST(abort_resets_the_peer)
{
	sesspair_write(&sp, client, "lost");
	session_abort(client, sp.now);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_RESET);
	endpoint_release(sp.ep[0], client);
	ck_assert_ptr_null(endpoint_each(sp.ep[0], NULL));
	sesspair_run(&sp, sp.now + 2 * SESSPAIR_DELAY);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
	ck_assert_int_eq(session_error(server), KCPSHIM_E_RESET);
}
END_TEST

/* A lost RST is repeated, and what remains of the session goes away by itself. */
START_TEST(reset_survives_loss)
{
	sp.cut[0] = true;
	session_abort(client, sp.now);
	endpoint_release(sp.ep[0], client);
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY);
	sp.cut[0] = false;
	sesspair_run(&sp, sp.now + 2000000);
	ck_assert_int_eq(session_error(server), KCPSHIM_E_RESET);
	sesspair_run(&sp, sp.now + 11000000);
	ck_assert_uint_eq(endpoint_deadline(sp.ep[0]), KCP_NEVER);
}
END_TEST

START_TEST(close_with_unread_bytes_resets)
{
	sesspair_write(&sp, client, "never read");
	sesspair_settle(&sp);
	session_close(server, false, sp.now);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
	sesspair_settle(&sp);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_RESET);
}
END_TEST

START_TEST(close_with_unread_in_the_pair_resets)
{
	session_close(server, true, sp.now);
	sesspair_settle(&sp);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_RESET);
}
END_TEST

START_TEST(bytes_after_close_reset)
{
	sesspair_write(&sp, server, "last words");
	session_close(server, false, sp.now);
	sesspair_settle(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, client, text, sizeof(text)), 10);
	ck_assert(session_recv_eof(client));
	sesspair_write(&sp, client, "too late");
	sesspair_settle(&sp);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_RESET);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
}
END_TEST

/* What arrived before a reset can still be read. */
START_TEST(bytes_before_reset_stay_readable)
{
	sesspair_write(&sp, client, "arrived");
	sesspair_settle(&sp);
	session_abort(client, sp.now);
	sesspair_settle(&sp);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 7);
	ck_assert(!session_recv_eof(server));
}
END_TEST

START_TEST(orphan_is_given_up)
{
	session_close(client, false, sp.now);
	sesspair_run(&sp, sp.now + 59000000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	sesspair_run(&sp, sp.now + 2000000);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_error(server), KCPSHIM_E_RESET);
}
END_TEST

/* --- liveness --- */

START_TEST(keepalive_notices_a_dead_peer)
{
	uint64_t start;

	session_set_timeouts(client, 0, 10000000, 2000000, 3, sp.now);
	sesspair_run(&sp, sp.now + 35000000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	sp.cut[1] = true;
	start = sp.now;
	while (session_state(client) == SESSION_ESTABLISHED && sp.now < start + 60000000)
		sesspair_run(&sp, sp.now + 100000);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_TIMEDOUT);
	ck_assert_uint_le(sp.now - start, 16200000);
	ck_assert_uint_ge(sp.now - start, 6000000);
}
END_TEST

START_TEST(keepalive_for_ever_asks_ever_more_rarely)
{
	uint64_t start;
	int first, n;

	session_set_timeouts(client, 0, 10000000, 10000000, SESSION_KEEP_FOREVER, sp.now);
	sp.cut[1] = true;
	start = sp.now;
	first = sp.nlog;
	sesspair_run(&sp, start + 100000000);
	n = sp.nlog - first;
	ck_assert_int_ge(n, 4);
	sesspair_run(&sp, start + 1000000000);
	ck_assert_int_le(sp.nlog - first, 3 * n);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	sp.cut[1] = false;
	sesspair_run(&sp, sp.now + 200000000);
	/* Answered again: as often as at first. */
	first = sp.nlog;
	sesspair_run(&sp, sp.now + 100000000);
	ck_assert_int_ge(sp.nlog - first, 18);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

START_TEST(idle_without_keepalive_is_silent)
{
	int n = sp.nlog;

	sesspair_run(&sp, sp.now + UINT64_C(100000000000));
	ck_assert_int_eq(sp.nlog, n);
	ck_assert_uint_eq(endpoint_deadline(sp.ep[0]), KCP_NEVER);
	ck_assert_uint_eq(endpoint_deadline(sp.ep[1]), KCP_NEVER);
}
END_TEST

START_TEST(user_timeout_ends_unanswered_data)
{
	uint64_t start = sp.now;

	session_set_timeouts(client, 20000000, 0, 0, 0, sp.now);
	sp.cut[0] = true;
	sesspair_write(&sp, client, "into the void");
	sesspair_run(&sp, start + 19000000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	sesspair_run(&sp, start + 21000000);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_TIMEDOUT);
}
END_TEST

/* Nobody waits for a closed session: it outlives a blackout of a minute, but not the ten that an open one may last. */
START_TEST(closed_session_gives_up_sooner)
{
	uint64_t start = sp.now;

	sp.cut[0] = true;
	sesspair_write(&sp, client, "into the void");
	session_close(client, false, sp.now);
	sesspair_run(&sp, start + 90000000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	sesspair_run(&sp, start + 102000000);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_TIMEDOUT);
}
END_TEST

START_TEST(blackout_of_a_minute_is_survived)
{
	sp.cut[0] = sp.cut[1] = true;
	sesspair_write(&sp, client, "patience");
	sesspair_run(&sp, sp.now + 60000000);
	sp.cut[0] = sp.cut[1] = false;
	sesspair_run(&sp, sp.now + 60000000);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 8);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* A peer that lives but does not read is not dead. */
START_TEST(closed_window_is_no_timeout)
{
	session_set_timeouts(client, 5000000, 0, 0, 0, sp.now);
	memset(text, 'x', sizeof(text) - 1);
	while (session_send_room(client) > sizeof(text)) {
		sesspair_write(&sp, client, text);
		sesspair_run(&sp, sp.now + SESSPAIR_DELAY);
	}
	sesspair_run(&sp, sp.now + 60000000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* On a long path the first segments must not be sent twice while their acknowledgement is under way. */
START_TEST(opening_tells_the_round_trip)
{
	struct session *side[2];
	struct session_info info;
	int i;

	sp.far = 150000;
	sesspair_open(&sp, &cfg, &side[0], &side[1]);
	for (i = 0; i < 2; i++) {
		session_get_info(side[i], &info);
		ck_assert_uint_ge(info.kcp.min_rtt_us, 2 * (SESSPAIR_DELAY + sp.far));
		ck_assert_uint_le(info.kcp.min_rtt_us, 2 * (SESSPAIR_DELAY + sp.far) + 1000);
	}
}
END_TEST

/* --- ICMP --- */

static const int icmp_errors[] = { KCPSHIM_E_REFUSED, KCPSHIM_E_HOSTUNREACH, KCPSHIM_E_NETUNREACH };

START_TEST(icmp_ends_a_connect)
{
	struct path p = sesspair_path(0, 1);

	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + 1000);
	p.local.family = 0;
	/* With the quote of a router that quotes little, and with a whole one. */
	endpoint_icmp(sp.ep[0], &p, icmp_errors[_i % 3], sp.log[0].data, _i < 3 ? 0 : sp.log[0].len, sp.now);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_error(client), icmp_errors[_i % 3]);
	ck_assert_ptr_eq(endpoint_next_ready(sp.ep[0]), client);
}
END_TEST

/* Who does not see the first flight cannot quote it. */
START_TEST(icmp_of_another_connect)
{
	struct path p = sesspair_path(0, 1);
	uint8_t quote[64];

	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + 1000);
	p.local.family = 0;
	memcpy(quote, sp.log[0].data, sizeof(quote));
	quote[2] ^= 1;
	endpoint_icmp(sp.ep[0], &p, KCPSHIM_E_REFUSED, quote, sizeof(quote), sp.now);
	ck_assert_int_eq(session_state(client), SESSION_CONNECTING);
	sesspair_settle(&sp);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* The newest datagram that a side sent, before number `end` of the log: what an attacker on the path, or a host, quotes. */
static const struct sesspair_datagram *
newest_before(int from, int end)
{
	int i = end - 1;

	while (i > 0 && sp.log[i].from != from)
		i--;
	return &sp.log[i];
}

static const struct sesspair_datagram *
newest(int from)
{
	return newest_before(from, sp.nlog);
}

/* Errors forged by who sees every datagram, against a live peer: each makes at most a PING, which is answered. */
START_TEST(icmp_cannot_end_a_live_session)
{
	struct path p = sesspair_path(0, 1);
	int i, n = sp.nlog;

	for (i = 0; i < 200; i++) {
		endpoint_icmp(sp.ep[0], &p, icmp_errors[i % 3], newest(0)->data, newest(0)->len, sp.now);
		sesspair_run(&sp, sp.now + 700);
	}
	sesspair_settle(&sp);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_int_lt(sesspair_sent(&sp, 0, n), 60);
}
END_TEST

/* The server's program is gone: every datagram comes back as an error. The opening is all that the second one knows of the path. */
START_TEST(icmp_ends_a_session_without_peer)
{
	struct path p = sesspair_path(0, 1);
	uint64_t start, rtt = 2 * SESSPAIR_DELAY;
	struct session_info info;
	int seen;

	if (_i == 0)
		sesspair_write(&sp, client, "warm up the estimate");
	sesspair_settle(&sp);
	session_get_info(client, &info);
	ck_assert_int_eq(info.kcp.srtt_us != 0, _i == 0);
	sp.cut[0] = true;
	sesspair_write(&sp, client, "anybody?");
	start = sp.now;
	seen = sp.nlog;
	while (session_state(client) == SESSION_ESTABLISHED && sp.now < start + 10 * rtt) {
		sesspair_run(&sp, sp.now + 500);
		for (; seen < sp.nlog && sp.log[seen].at + rtt <= sp.now; seen++)
			endpoint_icmp(sp.ep[0], &p, KCPSHIM_E_REFUSED, sp.log[seen].data, sp.log[seen].len, sp.now);
	}
	ck_assert_int_eq(session_error(client), KCPSHIM_E_RESET);
	session_get_info(client, &info);
	ck_assert_uint_le(sp.now - start, 2 * rtt + (_i == 0 ? info.kcp.srtt_us + 4 * info.kcp.rttvar_us : 3 * rtt + 1000));
}
END_TEST

/* Errors for what this session did not send, or sent before it asked, make it ask nobody, or are no answer. */
START_TEST(icmp_without_its_datagram)
{
	struct path p = sesspair_path(0, 1);
	uint8_t quote[9]; /* the header of DATA */
	int i, n;

	sp.cut[0] = sp.cut[1] = true;
	n = sp.nlog;
	for (i = 0; i < 300; i++) {
		memcpy(quote, newest(0)->data, sizeof(quote));
		quote[i % 9] ^= (uint8_t)(i % 9 == 4 ? 0x10 : 0x80);
		endpoint_icmp(sp.ep[0], &p, KCPSHIM_E_REFUSED, quote, i % 10 == 0 ? (size_t)(i % 9) : sizeof(quote), sp.now);
		sesspair_run(&sp, sp.now + 1000);
	}
	ck_assert_int_eq(sesspair_sent(&sp, 0, n), 0);
	/* Old ones start a series of questions, but do not answer them. */
	for (i = 0; i < 300; i++) {
		endpoint_icmp(sp.ep[0], &p, KCPSHIM_E_REFUSED, newest_before(0, n)->data, sizeof(quote), sp.now);
		sesspair_run(&sp, sp.now + 1000);
	}
	ck_assert_int_ge(sesspair_sent(&sp, 0, n), 3);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* --- sizes --- */

START_TEST(mtu_is_kept)
{
	struct path p = sesspair_path(0, 1);
	struct session_info info;
	int i, n;

	memset(text, 'm', sizeof(text) - 1);
	endpoint_too_big(sp.ep[0], &p, 1200, 900, sp.now);
	n = sp.nlog;
	sesspair_write(&sp, client, text);
	sesspair_settle(&sp);
	for (i = n; i < sp.nlog; i++)
		ck_assert_uint_le(sp.log[i].len, 900);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), sizeof(text) - 1);
	/* What anyone could have said does not change it. */
	endpoint_path_mtu(sp.ep[0], &p, 10, sp.now);
	endpoint_path_mtu(sp.ep[0], &p, 600, sp.now);
	session_get_info(client, &info);
	ck_assert_uint_eq(info.mtu, 900);
	ck_assert_int_eq(session_set_mtu(client, 99, sp.now), KCPSHIM_E_RANGE);
	ck_assert_int_eq(session_set_mtu(client, 65001, sp.now), KCPSHIM_E_RANGE);
	ck_assert_int_eq(session_set_mtu(client, 300, sp.now), 0);
	memset(text, 'm', sizeof(text) - 1);
	n = sp.nlog;
	sesspair_write(&sp, client, text);
	sesspair_settle(&sp);
	for (i = n; i < sp.nlog; i++)
		ck_assert_uint_le(sp.log[i].len, 300);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), sizeof(text) - 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("session");
	TCase *opening = check_group(s, "opening", setup, teardown), *open = check_group(s, "open", setup_open, teardown);

	tcase_add_test(opening, opens_in_one_round_trip);
	tcase_add_test(opening, connect_repeats_and_times_out);
	tcase_add_test(opening, lost_flights_are_repeated);
	tcase_add_test(opening, answers_are_smaller);
	tcase_add_test(opening, half_open_is_forgotten);
	tcase_add_loop_test(opening, icmp_ends_a_connect, 0, 6);
	tcase_add_test(opening, icmp_of_another_connect);
	tcase_add_test(opening, opening_tells_the_round_trip);
	tcase_add_test(open, repeated_flights_are_harmless);
	tcase_add_test(open, half_close_each_way);
	tcase_add_test(open, both_ends_leave_at_once);
	tcase_add_test(open, lingering_acknowledges_again);
	tcase_add_test(open, lingering_is_bounded);
	tcase_add_test(open, drained_when_acknowledged);
	tcase_add_test(open, abort_resets_the_peer);
	tcase_add_test(open, reset_survives_loss);
	tcase_add_test(open, close_with_unread_bytes_resets);
	tcase_add_test(open, close_with_unread_in_the_pair_resets);
	tcase_add_test(open, bytes_after_close_reset);
	tcase_add_test(open, bytes_before_reset_stay_readable);
	tcase_add_test(open, orphan_is_given_up);
	tcase_add_test(open, keepalive_notices_a_dead_peer);
	tcase_add_test(open, keepalive_for_ever_asks_ever_more_rarely);
	tcase_add_test(open, idle_without_keepalive_is_silent);
	tcase_add_test(open, user_timeout_ends_unanswered_data);
	tcase_add_test(open, closed_session_gives_up_sooner);
	tcase_add_test(open, blackout_of_a_minute_is_survived);
	tcase_add_test(open, closed_window_is_no_timeout);
	tcase_add_test(open, icmp_cannot_end_a_live_session);
	tcase_add_loop_test(open, icmp_ends_a_session_without_peer, 0, 2);
	tcase_add_test(open, icmp_without_its_datagram);
	tcase_add_test(open, mtu_is_kept);
	return check_run(s);
}
