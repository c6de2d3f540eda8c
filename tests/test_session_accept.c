/* A listener under load: what it asks for, whom it lets in, and what it keeps. */
#include <string.h>

#include "checkmain.h"
#include "core/endpoint_impl.h"
#include "core/error.h"
#include "sesspair.h"

static struct sesspair sp;
static struct session_config cfg;
static struct mem *evil_mem;
static struct endpoint *evil;

static void
setup(void)
{
	uint8_t seed[32] = { 66 };

	session_config_default(&cfg);
	sesspair_init(&sp, &cfg);
	evil_mem = mem_new(0);
	evil = endpoint_new(evil_mem, seed);
	ck_assert_ptr_nonnull(evil);
	endpoint_set_time(evil, UINT64_C(1700000001000000000), sp.now);
}

static void
teardown(void)
{
	endpoint_free(evil);
	mem_destroy(evil_mem);
	sesspair_dispose(&sp);
}

/* The server's answer to what the attacker has to say next; 0: none. */
static size_t
ask(uint8_t out[1500], uint16_t port)
{
	struct path p, from = sesspair_path(1, 1);
	uint8_t d[1500];
	size_t len = endpoint_output(evil, &p, d, sizeof(d), sp.now);

	ck_assert_uint_gt(len, 0);
	from.remote.port = port;
	endpoint_input(sp.ep[1], &from, d, len, sp.now);
	return endpoint_output(sp.ep[1], &p, out, 1500, sp.now);
}

/* An attacker who receives at his address and returns cookies, but never proves a session. Whether it is half-open. */
static bool
attack(uint16_t port)
{
	struct path p = sesspair_path(0, 1);
	struct session *s = endpoint_connect(evil, &p, &cfg, sp.now);
	uint8_t d[1500];
	size_t len = ask(d, port);

	if (len > 0 && d[4] == HANDSHAKE_KIND_RETRY) {
		ck_assert_int_eq(endpoint_input(evil, &p, d, len, sp.now), 0);
		len = ask(d, port);
	}
	endpoint_release(evil, s);
	return len > 0 && d[4] == HANDSHAKE_KIND_ACCEPT;
}

static unsigned
fill(void)
{
	uint16_t port = 5000;
	unsigned n = 0;

	while (attack(port++))
		ck_assert_uint_le(++n, ENDPOINT_HALF_OPEN);
	return n;
}

/* As many as were configured are let in at once; then addresses are to be proven. */
START_TEST(rate_is_configured)
{
	static const uint32_t rates[] = { 0, 1, 5, 100 };
	struct path p = sesspair_path(0, 1);
	uint8_t d[1500];
	uint32_t i, accepted = 0;
	uint64_t second = sp.now + 1000000 - sp.now % 1000000;

	cfg.handshakes = rates[_i];
	endpoint_unlisten(sp.ep[1], (uint32_t)sp.listener);
	sp.listener = endpoint_listen(sp.ep[1], 1, &cfg);
	sesspair_run(&sp, second);
	for (i = 0; i < 120; i++) {
		struct session *s = endpoint_connect(evil, &p, &cfg, sp.now);

		ck_assert_uint_gt(ask(d, (uint16_t)(5000 + i)), 0);
		accepted += d[4] == HANDSHAKE_KIND_ACCEPT;
		endpoint_release(evil, s);
	}
	ck_assert_uint_eq(accepted, rates[_i]);
}
END_TEST

/* A table full of sessions that are never proven: newcomers are answered by cookies, without state, and get in once the oldest are
 * older than an honest client would be. */
START_TEST(full_table_lets_honest_clients_in)
{
	struct session *client;
	size_t used;
	int i, n;

	ck_assert_uint_eq(fill(), ENDPOINT_HALF_OPEN);
	used = mem_used(sp.mem[1]);
	/* Young as they are, none is given up for another one. */
	for (i = 0; i < 100; i++)
		ck_assert(!attack((uint16_t)(20000 + i)));
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	n = sp.nlog;
	client = sesspair_connect(&sp, 2, &cfg);
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY + 100);
	ck_assert_int_eq(sesspair_sent(&sp, 1, n), 1);
	ck_assert_uint_eq(sp.log[sp.nlog - 1].data[4], HANDSHAKE_KIND_RETRY);
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	/* The attack goes on, as fast as the client's own repetitions many times over. */
	for (i = 0; i < 200 && session_state(client) == SESSION_CONNECTING; i++) {
		attack((uint16_t)(30000 + i));
		sesspair_run(&sp, sp.now + 10000);
	}
	sesspair_run(&sp, sp.now + 100000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_ptr_nonnull(sesspair_accept(&sp));
	ck_assert_uint_le(mem_used(sp.mem[1]), used + 65536);
	sesspair_write(&sp, client, "here I am");
	sesspair_run(&sp, sp.now + 1000000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* All of it is forgotten when nobody comes any more. */
START_TEST(full_table_empties)
{
	size_t used = mem_used(sp.mem[1]);

	fill();
	sesspair_run(&sp, sp.now + 64000000);
	ck_assert_uint_le(mem_used(sp.mem[1]), used + 32768); /* tables that have grown */
	ck_assert_int_eq(fill(), ENDPOINT_HALF_OPEN);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("session_accept");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, rate_is_configured, 0, 4);
	tcase_add_test(tc, full_table_lets_honest_clients_in);
	tcase_add_test(tc, full_table_empties);
	return check_main("session_accept", tc);
}
