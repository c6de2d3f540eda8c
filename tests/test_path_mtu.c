/* Transfers over simulated paths that lose large datagrams without a word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "checkmain.h"
#include "core/endpoint.h"
#include "core/mem.h"
#include "core/pmtu.h"
#include "simnet.h"

#define START UINT64_C(5000000)

struct world {
	uint64_t now, seed;
	struct simnet net;
	struct mem *mem[2];
	struct endpoint *ep[2];
	struct session *session[2];
	uint64_t total, written, got;
	uint64_t oversize;      /* datagrams larger than the path's MTU that were not to be fragmented */
	uint64_t fragmented;
	size_t largest;         /* datagram of the client */
	uint32_t host[2];       /* what the client's address ends with, and its port */
};

static struct path
path_of(const struct world *w, int side)
{
	struct netaddr client = { .family = 4, .ip = { 10, 0, 0, 1 }, .port = 1001 };
	struct netaddr server = { .family = 4, .ip = { 10, 0, 0, 2 }, .port = 80 };

	client.ip[3] = (uint8_t)w->host[0];
	client.port = (uint16_t)w->host[1];
	return (struct path){ .sock = 1, .local = side == 0 ? client : server, .remote = side == 0 ? server : client };
}

static void
world_init(struct world *w, const struct session_config *cfg, const struct simnet_link *link, uint64_t seed)
{
	struct path p;

	memset(w, 0, sizeof(*w));
	w->now = START;
	w->seed = seed;
	w->host[0] = 1;
	w->host[1] = 1001;
	simnet_init(&w->net, link, seed);
	for (int i = 0; i < 2; i++) {
		uint8_t s[32] = { (uint8_t)(seed + 1), (uint8_t)i };

		w->mem[i] = mem_new(0);
		w->ep[i] = endpoint_new(w->mem[i], s);
		ck_assert_ptr_nonnull(w->ep[i]);
		endpoint_set_time(w->ep[i], UINT64_C(1700000000000000000), w->now - 1000000);
	}
	ck_assert_int_gt(endpoint_listen(w->ep[1], 1, cfg), 0);
	p = path_of(w, 0);
	w->session[0] = endpoint_connect(w->ep[0], &p, cfg, w->now);
	ck_assert_ptr_nonnull(w->session[0]);
}

static void
world_dispose(struct world *w)
{
	simnet_dispose(&w->net);
	for (int i = 0; i < 2; i++) {
		endpoint_free(w->ep[i]);
		ck_assert_uint_eq(mem_used(w->mem[i]), 0);
		mem_destroy(w->mem[i]);
	}
}

static uint8_t
stream_byte(uint64_t i)
{
	return (uint8_t)(i * 2654435761u >> 11);
}

static void
write_some(struct world *w)
{
	struct iovec iov[4];
	uint64_t left = w->total - w->written;
	int n;

	while (left > 0 && (n = session_send_reserve(w->session[0], iov, 4, left)) > 0) {
		size_t len = 0;

		for (int i = 0; i < n; i++)
			for (size_t j = 0; j < iov[i].iov_len; j++)
				((uint8_t *)iov[i].iov_base)[j] = stream_byte(w->written + len++);
		session_send_commit(w->session[0], len, w->now);
		w->written += len;
		left -= len;
	}
}

static void
read_all(struct world *w)
{
	struct iovec iov;

	while (w->session[1] != NULL && session_recv_peek(w->session[1], &iov, 1) == 1) {
		for (size_t j = 0; j < iov.iov_len; j++)
			if (((uint8_t *)iov.iov_base)[j] != stream_byte(w->got + j))
				ck_abort_msg("seed %llu: byte %llu is wrong", (unsigned long long)w->seed, (unsigned long long)(w->got + j));
		w->got += iov.iov_len;
		session_recv_consume(w->session[1], iov.iov_len, w->now);
	}
}

static void
send_due(struct world *w, int side)
{
	const struct simnet_link *l = &w->net.link;
	uint8_t buf[ENDPOINT_DATAGRAM_MAX];
	struct path p, to = path_of(w, !side);
	size_t len;

	while ((len = endpoint_output(w->ep[side], &p, buf, sizeof(buf), w->now)) > 0) {
		bool large = l->mtu != 0 && w->now >= l->mtu_at && len > l->mtu;

		if (side == 0 && len > w->largest)
			w->largest = len;
		w->net.fragment = endpoint_fragment(w->ep[side]);
		w->oversize += large && !w->net.fragment;
		w->fragmented += w->net.fragment;
		/* A server that still sends to where the client was loses that. */
		if (side == 0 || netaddr_equal(&p.remote, &to.local))
			simnet_send(&w->net, !side, &to, buf, len, w->now);
	}
}

static void
step(struct world *w, uint64_t until)
{
	uint64_t next = simnet_next(&w->net), at;
	struct simnet_datagram *d;
	struct session *s;

	for (int side = 0; side < 2; side++) {
		at = endpoint_deadline(w->ep[side]);
		if (at < next)
			next = at;
	}
	if (next > until)
		next = until;
	if (next > w->now)
		w->now = next;
	while ((d = simnet_receive(&w->net, w->now)) != NULL) {
		endpoint_input(w->ep[d->to], &d->path, d->data, d->len, w->now);
		free(d);
	}
	for (int side = 0; side < 2; side++)
		while ((s = endpoint_next_ready(w->ep[side])) != NULL) {
			session_take_events(s);
			if (session_state(s) == SESSION_CLOSED)
				ck_abort_msg("seed %llu: a session ended", (unsigned long long)w->seed);
			w->session[side] = s;
		}
	read_all(w);
	write_some(w);
	for (int side = 0; side < 2; side++)
		send_due(w, side);
}

static void
run(struct world *w, uint64_t until)
{
	while (w->now < until)
		step(w, until);
}

/* Moves `bytes` more; fails when that takes longer than `limit` us. */
static void
transfer(struct world *w, uint64_t bytes, uint64_t limit)
{
	uint64_t until = w->now + limit;

	w->total += bytes;
	if (w->session[1] != NULL)
		step(w, w->now);
	while (w->got < w->total) {
		if (w->now >= until)
			ck_abort_msg("seed %llu: %llu of %llu bytes after %llu ms", (unsigned long long)w->seed,
			    (unsigned long long)w->got, (unsigned long long)w->total, (unsigned long long)limit / 1000);
		step(w, until);
	}
}

static uint32_t
mtu_of(const struct world *w, int side)
{
	struct session_info info;

	session_get_info(w->session[side], &info);
	return info.mtu;
}

static void
config(struct session_config *cfg, bool plain, uint32_t mtu)
{
	session_config_default(cfg);
	kcp_config_default(&cfg->kcp, plain ? WIRE_PLAIN : WIRE_SESSION);
	cfg->plain = plain;
	cfg->mtu = mtu;
	cfg->kcp.snd_wnd = cfg->kcp.rcv_wnd = 512;
}

static const struct {
	uint32_t path, configured, least, most;
	unsigned oversize;        /* probes, and what is sent before the path is known to be narrow */
} paths[] = {
	{ 1472, SESSION_MTU_AUTO, 1472, 1472, 0 },
	{ 1372, SESSION_MTU_AUTO, 1356, 1372, 50 },
	{ 1252, SESSION_MTU_AUTO, 1236, 1252, 50 },
	{ 8972, SESSION_MTU_AUTO, 1472, 1472, 0 },
	{ 8972, SESSION_MTU_JUMBO, 8972, 8972, 0 },
	{ 4352, SESSION_MTU_JUMBO, 1472, 1472, 10 },
	{ 1472, SESSION_MTU_JUMBO, 1472, 1472, 10 },
	{ 1372, SESSION_MTU_JUMBO, 1356, 1372, 50 },
	{ 8972, 9000, 8956, 8972, 30 },
	{ 1472, 9000, 1456, 1472, 150 },
	{ 1472, 1000, 1000, 1000, 0 },
	{ 700, SESSION_MTU_AUTO, 684, 700, 200 },
	{ 548, SESSION_MTU_AUTO, 548, 548, 200 },
};

START_TEST(from_the_start)
{
	struct simnet_link link = { .delay = 20000, .mtu = paths[_i].path };
	struct session_config cfg;
	struct world w;

	config(&cfg, false, paths[_i].configured);
	world_init(&w, &cfg, &link, 1);
	transfer(&w, 300000, 20000000);
	for (int i = 0; i < 100; i++) {
		transfer(&w, 20000, 10000000);
		run(&w, w.now + 100000);
	}
	ck_assert_uint_ge(mtu_of(&w, 0), paths[_i].least);
	ck_assert_uint_le(mtu_of(&w, 0), paths[_i].most);
	ck_assert_uint_le(w.oversize, paths[_i].oversize);
	ck_assert_uint_eq(w.fragmented, 0);
	/* The other side sent no full datagram, and looks for nothing. */
	ck_assert_uint_le(mtu_of(&w, 1), PMTU_BASE_SIZE);
	world_dispose(&w);
}
END_TEST

/* The path becomes narrower in the middle of a transfer: it goes on within seconds, and nothing needs fragments. */
START_TEST(shrinks)
{
	static const uint32_t narrow[] = { 1372, 1232, 1200, 800, 548 };
	struct simnet_link link = { .delay = 20000, .loss = _i % 2 == 0 ? 0 : 20 };
	struct session_config cfg;
	struct world w;
	uint64_t at;

	config(&cfg, false, SESSION_MTU_AUTO);
	world_init(&w, &cfg, &link, (uint64_t)_i + 1);
	transfer(&w, 2000000, 60000000);
	ck_assert_uint_eq(mtu_of(&w, 0), 1472);
	w.total += 2000000;
	run(&w, w.now + 50000);
	w.net.link.mtu = narrow[_i / 2];
	w.net.link.mtu_at = at = w.now;
	transfer(&w, 100000, 60000000);
	printf("1472 -> %u, loss %u/1000: over after %.1f s, %llu datagrams too large\n", narrow[_i / 2], link.loss,
	    (double)(w.now - at) / 1e6, (unsigned long long)w.oversize);
	ck_assert_uint_le(mtu_of(&w, 0), narrow[_i / 2]);
	ck_assert_uint_eq(w.fragmented, 0);
	world_dispose(&w);
}
END_TEST

/* The first datagrams of all tell nothing, and a handshake is smaller than any path. */
START_TEST(small_flows_do_not_probe)
{
	struct simnet_link link = { .delay = 20000 };
	struct session_config cfg;
	struct world w;

	config(&cfg, false, SESSION_MTU_AUTO);
	world_init(&w, &cfg, &link, 1);
	for (int i = 0; i < 200; i++) {
		transfer(&w, 500, 1000000);
		run(&w, w.now + 100000);
	}
	ck_assert_uint_eq(mtu_of(&w, 0), PMTU_BASE_SIZE);
	ck_assert_uint_lt(w.largest, 1300);
	run(&w, w.now + 700000000);
	ck_assert_uint_eq(endpoint_deadline(w.ep[0]), KCP_NEVER);
	world_dispose(&w);
}
END_TEST

START_TEST(loss_is_not_mtu)
{
	unsigned below = 0;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct simnet_link link = { .delay = 10000, .jitter = 2000, .loss = 50 };
		struct session_config cfg;
		struct world w;

		config(&cfg, false, SESSION_MTU_AUTO);
		world_init(&w, &cfg, &link, seed);
		transfer(&w, 300000, 30000000);
		for (int i = 0; i < 10; i++) {
			transfer(&w, 10000, 10000000);
			run(&w, w.now + 100000);
		}
		below += mtu_of(&w, 0) < 1472;
		world_dispose(&w);
	}
	ck_assert_uint_eq(below, 0);
}
END_TEST

/* An outage in the middle: the path is as wide as before. */
START_TEST(outage_is_not_mtu)
{
	struct simnet_link link = { .delay = 20000, .blackout_at = START + 1000000, .blackout = 20000000 };
	struct session_config cfg;
	struct world w;

	config(&cfg, _i == 1, SESSION_MTU_AUTO);
	world_init(&w, &cfg, &link, 1);
	run(&w, START + 500000);
	w.total = 40000000;
	run(&w, START + 1100000);
	w.total = w.written + 500000;
	transfer(&w, 0, 90000000);
	for (int i = 0; i < 20; i++) {
		transfer(&w, 20000, 10000000);
		run(&w, w.now + 100000);
	}
	ck_assert_uint_eq(mtu_of(&w, 0), _i == 1 ? 1400 : 1472);
	world_dispose(&w);
}
END_TEST

/* The plain wire: no larger than configured, smaller when that does not pass; what was sent already goes in fragments. */
START_TEST(plain)
{
	static const uint32_t narrow[] = { 1300, 1200, 700 };
	struct simnet_link link = { .delay = 20000 };
	struct session_config cfg;
	struct world w;
	uint64_t at;

	config(&cfg, true, SESSION_MTU_AUTO);
	world_init(&w, &cfg, &link, 1);
	transfer(&w, 500000, 60000000);
	ck_assert_uint_eq(mtu_of(&w, 0), 1400);
	ck_assert_uint_le(w.largest, 1400);
	w.total += 1000000;
	run(&w, w.now + 50000);
	w.net.link.mtu = narrow[_i];
	w.net.link.mtu_at = at = w.now;
	transfer(&w, 100000, 60000000);
	printf("plain, 1400 -> %u: over after %.1f s, %llu in fragments\n", narrow[_i], (double)(w.now - at) / 1e6,
	    (unsigned long long)w.fragmented);
	ck_assert_uint_gt(w.fragmented, 0);
	for (int i = 0; i < 300; i++) {
		transfer(&w, 10000, 10000000);
		run(&w, w.now + 100000);
	}
	ck_assert_uint_le(mtu_of(&w, 0), narrow[_i]);
	ck_assert_uint_ge(mtu_of(&w, 0) + PMTU_STEP, narrow[_i]);
	world_dispose(&w);
}
END_TEST

/* A forged ICMP message changes nothing; what the own host refuses does. */
START_TEST(icmp)
{
	struct simnet_link link = { .delay = 20000 };
	struct session_config cfg;
	struct world w;
	struct path p;

	config(&cfg, false, SESSION_MTU_AUTO);
	world_init(&w, &cfg, &link, 1);
	transfer(&w, 500000, 60000000);
	p = path_of(&w, 0);
	for (unsigned i = 0; i < 500; i++) {
		endpoint_path_mtu(w.ep[0], &p, i * 3, w.now);
		transfer(&w, 5000, 1000000);
		ck_assert_uint_eq(mtu_of(&w, 0), 1472);
	}
	endpoint_too_big(w.ep[0], &p, 1472, 1300, w.now);
	ck_assert_uint_eq(mtu_of(&w, 0), 1300);
	transfer(&w, 500000, 60000000);
	ck_assert_uint_eq(mtu_of(&w, 0), 1300);
	/* A true one makes the change quick. */
	w.net.link.mtu = 1252;
	w.net.link.mtu_at = w.now;
	run(&w, w.now + 3000000);
	w.total += 200000;
	run(&w, w.now + 1000);
	endpoint_path_mtu(w.ep[0], &p, 1252, w.now);
	run(&w, w.now + 500000);
	ck_assert_uint_eq(mtu_of(&w, 0), 1252);
	transfer(&w, 0, 10000000);
	world_dispose(&w);
}
END_TEST

/* RFC 9000 9.4: another host is another path; another port of it is not. */
START_TEST(another_path)
{
	struct simnet_link link = { .delay = 50000 };
	struct session_info info;
	struct session_config cfg;
	struct world w;
	uint64_t rate;

	config(&cfg, false, SESSION_MTU_AUTO);
	world_init(&w, &cfg, &link, 1);
	transfer(&w, 2000000, 60000000);
	/* The server has a view of the path too: let it send. */
	for (int i = 0; i < 3; i++) {
		struct iovec iov[64];
		int n = session_send_reserve(w.session[1], iov, 64, 60000);
		size_t len = 0;

		for (int j = 0; j < n; j++) {
			memset(iov[j].iov_base, 0, iov[j].iov_len);
			len += iov[j].iov_len;
		}
		session_send_commit(w.session[1], len, w.now);
		run(&w, w.now + 1000000);
	}
	ck_assert_uint_eq(mtu_of(&w, 1), 1472);
	session_get_info(w.session[1], &info);
	ck_assert_uint_ge(info.kcp.min_rtt_us, 100000);
	rate = info.kcp.pacing_rate;
	w.host[1] = 4711;
	transfer(&w, 20000, 60000000);
	run(&w, w.now + 1000000);
	ck_assert_uint_eq(session_path(w.session[1])->remote.port, 4711);
	session_get_info(w.session[1], &info);
	ck_assert_uint_eq(info.mtu, 1472);
	ck_assert_uint_ge(info.kcp.min_rtt_us, 100000);
	ck_assert_uint_eq(info.kcp.pacing_rate, rate);
	w.net.link.delay = 5000;
	w.host[0] = 77;
	transfer(&w, 20000, 60000000);
	run(&w, w.now + 1000000);
	ck_assert_uint_eq(session_path(w.session[1])->remote.ip[3], 77);
	session_get_info(w.session[1], &info);
	ck_assert_uint_eq(info.mtu, PMTU_BASE_SIZE);
	ck_assert_uint_lt(info.kcp.min_rtt_us, 50000);
	ck_assert_uint_ne(info.kcp.pacing_rate, rate);
	world_dispose(&w);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("path_mtu");

	tcase_add_loop_test(t, from_the_start, 0, (int)(sizeof(paths) / sizeof(paths[0])));
	tcase_add_loop_test(t, shrinks, 0, 10);
	tcase_add_test(t, small_flows_do_not_probe);
	tcase_add_test(t, loss_is_not_mtu);
	tcase_add_loop_test(t, outage_is_not_mtu, 0, 2);
	tcase_add_loop_test(t, plain, 0, 3);
	tcase_add_test(t, icmp);
	tcase_add_test(t, another_path);
	return check_main("path_mtu", t);
}
