/* The attacks that kcpshim(7), SECURITY, lists, each by its name there, on sealed sessions without and with a pre-shared key. */
#include <string.h>

#include "checkmain.h"
#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/error.h"
#include "core/handshake.h"
#include "core/keys.h"
#include "core/session_impl.h"
#include "core/unsealed.h"
#include "sesspair.h"

static struct sesspair sp;
static struct mem *key_mem;
static struct session_keys *keys;
static struct session_config cfg;
static struct session *client, *server;
static char text[65536];

static void
start(int keyed)
{
	static const char line[] = "k 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
	char err[200];

	key_mem = mem_new(0);
	keys = session_keys_new(key_mem);
	ck_assert_int_eq(session_keys_load(keys, "k", line, sizeof(line) - 1, err, sizeof(err)), 0);
	session_config_default(&cfg);
	if (keyed)
		cfg.keys = keys;
	sesspair_init(&sp, &cfg);
	sesspair_open(&sp, &cfg, &client, &server);
	sesspair_settle(&sp);
}

static void
teardown(void)
{
	sesspair_dispose(&sp);
	session_keys_free(keys);
	mem_destroy(key_mem);
}

/* The session goes on as if nothing had happened. */
static void
unharmed(void)
{
	struct session_info info;

	sesspair_settle(&sp);
	session_get_info(client, &info);
	ck_assert(info.suite == SEAL_AES_256_GCM || info.suite == SEAL_CHACHA20_POLY1305);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
	sesspair_write(&sp, client, "question");
	sesspair_write(&sp, server, "answer");
	sesspair_settle(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 8);
	ck_assert_str_eq(text, "question");
	ck_assert_uint_eq(sesspair_read(&sp, client, text, sizeof(text)), 6);
	ck_assert_str_eq(text, "answer");
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
}

static int
give(int to, const uint8_t *d, size_t len)
{
	struct path p = sesspair_path(to, 1);
	uint8_t copy[1500];

	ck_assert_uint_le(len, sizeof(copy));
	memcpy(copy, d, len);
	return endpoint_input(sp.ep[to], &p, copy, len, sp.now);
}

/* The next datagram of a side, which does not arrive yet. */
static struct sesspair_datagram
capture(int from)
{
	int n = sp.nlog;

	sp.cut[from] = true;
	sesspair_write(&sp, from == 0 ? client : server, "");
	session_ping(from == 0 ? client : server, sp.now);
	sesspair_run(&sp, sp.now + 100);
	sp.cut[from] = false;
	while (n < sp.nlog && sp.log[n].from != from)
		n++;
	ck_assert_int_lt(n, sp.nlog);
	return sp.log[n];
}

START_TEST(forged_icmp)
{
	static const int errors[] = { KCPSHIM_E_REFUSED, KCPSHIM_E_HOSTUNREACH, KCPSHIM_E_NETUNREACH };
	int side, i;

	start(_i);
	for (side = 0; side < 2; side++) {
		struct path p = sesspair_path(side, 1);
		struct sesspair_datagram d = capture(side);

		for (i = 0; i < 300; i++) {
			/* By who has seen one datagram; by who knows nothing but the addresses. */
			endpoint_icmp(sp.ep[side], &p, errors[i % 3], d.data, i % 2 ? 64 : 0, sp.now);
			endpoint_path_mtu(sp.ep[side], &p, (size_t)i, sp.now);
			sesspair_run(&sp, sp.now + 1000);
		}
	}
	unharmed();
}
END_TEST

/* Not even an attacker who knows ids and packet numbers can say that it is over. */
START_TEST(spoofed_rst)
{
	struct sesspair_datagram d;
	uint8_t rst[SESSION_HEADER_LEN + 4 + 3 + 16] = { 0 };
	int side;
	unsigned i;

	start(_i);
	for (side = 0; side < 2; side++) {
		d = capture(!side);
		memcpy(rst, d.data, SESSION_HEADER_LEN);
		rst[SESSION_HEADER_LEN + 4] = 0x08;
		for (i = 0; i < 64; i++) {
			bytes_put32(rst + 5, bytes_get32(d.data + 5) + i);
			rst[4] = (uint8_t)(0xc4 | (i & 1));
			/* As version 0 would carry it, with a right checksum; then with the length of a seal. */
			bytes_put32(rst + SESSION_HEADER_LEN + 7, crc32c(crc32c(0, rst, SESSION_HEADER_LEN), rst + SESSION_HEADER_LEN, 7));
			ck_assert_int_lt(give(side, rst, SESSION_HEADER_LEN + 11), 0);
			ck_assert_int_lt(give(side, rst, sizeof(rst)), 0);
		}
	}
	unharmed();
}
END_TEST

/* Recorded first flights, while the session lives and by a server that was started since. */
START_TEST(replayed_first_flight)
{
	struct sesspair_datagram init;
	size_t used;
	int n, i;

	start(_i);
	init = sp.log[0];
	ck_assert_uint_eq(init.data[4], HANDSHAKE_KIND_INIT);
	used = mem_used(sp.mem[1]);
	n = sp.nlog;
	for (i = 0; i < 10; i++)
		ck_assert_int_lt(give(1, init.data, init.len), 0);
	sesspair_run(&sp, sp.now + 1000);
	ck_assert_int_eq(sp.nlog, n);
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	unharmed();
	sesspair_restart(&sp, &cfg, NULL);
	used = mem_used(sp.mem[1]);
	n = sp.nlog;
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(give(1, init.data, init.len), 0);
	sp.cut[1] = true;
	sesspair_run(&sp, sp.now + 1000);
	/* A cookie that only the client could read, and nothing kept. */
	for (i = n; i < sp.nlog; i++) {
		ck_assert_uint_eq(sp.log[i].data[4], HANDSHAKE_KIND_RETRY);
		ck_assert_uint_lt(sp.log[i].len, init.len);
	}
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	ck_assert_ptr_null(endpoint_next_ready(sp.ep[1]));
}
END_TEST

START_TEST(datagrams_of_another_session)
{
	struct sesspair_datagram mine, theirs;
	struct session *other;
	int n;

	start(_i);
	other = sesspair_connect(&sp, 2, &cfg);
	sesspair_settle(&sp);
	ck_assert_ptr_nonnull(sesspair_accept(&sp));
	mine = capture(0);
	n = sp.nlog;
	sp.cut[0] = true;
	sesspair_write(&sp, other, "of another session");
	sesspair_run(&sp, sp.now + 100);
	sp.cut[0] = false;
	theirs = sp.log[n];
	memcpy(theirs.data, mine.data, 4);
	ck_assert_int_eq(give(1, theirs.data, theirs.len), KCPSHIM_E_AUTH);
	/* And under a number that was not used yet. */
	bytes_put32(theirs.data + 5, bytes_get32(mine.data + 5) + 10);
	ck_assert_int_eq(give(1, theirs.data, theirs.len), KCPSHIM_E_AUTH);
	unharmed();
}
END_TEST

/* What is spoken is what was configured, whoever asks for less. */
START_TEST(downgrade)
{
	static const uint8_t token[UNSEALED_TOKEN_LEN] = { 1 };
	struct handshake_params params = { .rcv_wnd = 100, .mtu = 1400 };
	uint8_t d[UNSEALED_INIT_LEN], push[24 + 5] = { 1, 2, 3, 4, 81, 0, 128, 0, [20] = 5 };
	struct session *second;
	size_t used;
	int n;

	start(_i);
	used = mem_used(sp.mem[1]);
	n = sp.nlog;
	/* To the server: an unsealed first flight, and KCP in the clear. */
	unsealed_init_write(d, 77, token, &params);
	ck_assert_int_lt(give(1, d, UNSEALED_INIT_LEN), 0);
	ck_assert_int_lt(give(1, push, sizeof(push)), 0);
	memcpy(push, sp.log[0].data, 4);
	ck_assert_int_lt(give(1, push, sizeof(push)), 0);
	sesspair_run(&sp, sp.now + 1000);
	ck_assert_int_eq(sp.nlog, n);
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	/* To a connecting client: unsealed answers and cookies, before the true ones. */
	second = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + 100);
	unsealed_accept_write(d, bytes_get32(sp.log[n].data), 5, sp.log[n].data + 40, &params);
	ck_assert_int_lt(give(0, d, UNSEALED_ACCEPT_LEN), 0);
	unsealed_retry_write(d, bytes_get32(sp.log[n].data), token);
	ck_assert_int_lt(give(0, d, UNSEALED_RETRY_LEN), 0);
	ck_assert_int_eq(session_state(second), SESSION_CONNECTING);
	sesspair_settle(&sp);
	ck_assert_int_eq(session_state(second), SESSION_ESTABLISHED);
	ck_assert_ptr_nonnull(sesspair_accept(&sp));
	unharmed();
}
END_TEST

/* Every datagram back to who sent it; and no answer is larger than its cause before an address is proven. */
START_TEST(reflection)
{
	int i, n;

	start(_i);
	sesspair_write(&sp, client, "some bytes");
	sesspair_write(&sp, server, "some others");
	sesspair_settle(&sp);
	sesspair_read(&sp, client, text, sizeof(text));
	sesspair_read(&sp, server, text, sizeof(text));
	n = sp.nlog;
	for (i = 0; i < n; i++)
		ck_assert_int_lt(give(sp.log[i].from, sp.log[i].data, sp.log[i].len), 0);
	sesspair_run(&sp, sp.now + 1000);
	ck_assert_int_eq(sp.nlog, n);
	ck_assert_uint_lt(sp.log[1].len, sp.log[0].len);
	unharmed();
}
END_TEST

/* Ids around the true one, and packet numbers with the true id: no answer but a RESET now and then, no effect at all. */
START_TEST(guessed_ids)
{
	struct sesspair_datagram d, c;
	uint32_t i;
	int n;

	start(_i);
	c = capture(0);
	n = sp.nlog;
	for (i = 1; i < 20000; i++) {
		d = c;
		bytes_put32(d.data, bytes_get32(c.data) ^ (i < 32 ? 1u << i : i * 2654435761u));
		ck_assert_int_eq(give(1, d.data, d.len), KCPSHIM_E_UNKNOWN);
	}
	for (i = 0; i < 20000; i++) {
		d = c;
		bytes_put32(d.data + 5, bytes_get32(c.data + 5) + 1 + i * 2654435761u);
		ck_assert_int_lt(give(1, d.data, d.len), 0);
	}
	sesspair_run(&sp, sp.now + 1000);
	ck_assert_int_le(sesspair_sent(&sp, 1, n), 20);
	unharmed();
}
END_TEST

#define CROWD 50u           /* fewer than the cookies that an endpoint queues */
#define HALF_OPEN_MAX 1024u /* of a listener */

/* One host that returns its cookies and never goes on opens connections from all its ports; at the server it is 10.0.0.9. */
struct crowd {
	struct endpoint *ep;
	struct mem *mem;
	uint32_t ports;
	unsigned accepted;
};

static void
crowd_exchange(struct crowd *c)
{
	static uint8_t d[1500];
	struct path at_server = sesspair_path(1, 1), p;
	size_t len;

	at_server.remote = (struct netaddr){ .family = 4, .ip = { 10, 0, 0, 9 } };
	while ((len = endpoint_output(c->ep, &p, d, sizeof(d), sp.now)) > 0) {
		at_server.remote.port = (uint16_t)p.sock;
		(void)endpoint_input(sp.ep[1], &at_server, d, len, sp.now);
	}
	while ((len = endpoint_output(sp.ep[1], &p, d, sizeof(d), sp.now)) > 0) {
		if (p.remote.ip[3] != 9)
			continue;
		c->accepted += d[4] == HANDSHAKE_KIND_ACCEPT;
		if (d[4] == HANDSHAKE_KIND_RETRY) {
			p = (struct path){ .sock = p.remote.port, .local = p.remote, .remote = p.local };
			(void)endpoint_input(c->ep, &p, d, len, sp.now);
		}
	}
}

static void
crowd_attack(struct crowd *c, unsigned count)
{
	struct session *s[CROWD];
	unsigned i;

	for (; count >= CROWD; count -= CROWD) {
		for (i = 0; i < CROWD; i++) {
			struct path p = { .sock = ++c->ports, .remote = sesspair_path(1, 1).local };

			s[i] = endpoint_connect(c->ep, &p, &cfg, sp.now);
			ck_assert_ptr_nonnull(s[i]);
		}
		crowd_exchange(c);
		crowd_exchange(c);
		for (i = 0; i < CROWD; i++)
			endpoint_release(c->ep, s[i]);
	}
}

/* Nothing but the key keeps a host away that lives where it says; others are served all the same. */
START_TEST(half_open_from_one_address)
{
	static const uint8_t seed[32] = { 99 };
	struct crowd c = { .mem = mem_new(0) };
	uint32_t i;

	start(_i);
	c.ep = endpoint_new(c.mem, seed);
	endpoint_set_time(c.ep, UINT64_C(1700000000000000000), sp.now);
	crowd_attack(&c, HALF_OPEN_MAX + 2 * CROWD);
	ck_assert_uint_eq(c.accepted, HALF_OPEN_MAX);
	for (i = 0; i < 3; i++) {
		struct session *other = sesspair_connect(&sp, 3 + i, &cfg);

		sesspair_run(&sp, sp.now + 8 * SESSPAIR_DELAY);
		ck_assert_int_eq(session_state(other), SESSION_ESTABLISHED);
		ck_assert_ptr_nonnull(sesspair_accept(&sp));
		crowd_attack(&c, CROWD);
		ck_assert_uint_le(c.accepted, HALF_OPEN_MAX + 1 + i);
	}
	/* A second later its oldest give way to its next. */
	sesspair_run(&sp, sp.now + 1100000);
	c.accepted = 0;
	crowd_attack(&c, CROWD);
	ck_assert_uint_ge(c.accepted, CROWD);
	unharmed();
	endpoint_free(c.ep);
	mem_destroy(c.mem);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("attacks");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, forged_icmp, 0, 2);
	tcase_add_loop_test(tc, spoofed_rst, 0, 2);
	tcase_add_loop_test(tc, replayed_first_flight, 0, 2);
	tcase_add_loop_test(tc, datagrams_of_another_session, 0, 2);
	tcase_add_loop_test(tc, downgrade, 0, 2);
	tcase_add_loop_test(tc, reflection, 0, 2);
	tcase_add_loop_test(tc, guessed_ids, 0, 2);
	tcase_add_loop_test(tc, half_open_from_one_address, 0, 2);
	return check_main("attacks", tc);
}
