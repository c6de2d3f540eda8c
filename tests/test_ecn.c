/* ECN: what is concluded from counts, and transfers over simulated paths that mark, clear, change or drop marked datagrams. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "checkmain.h"
#include "core/ecn.h"
#include "core/endpoint.h"
#include "core/mem.h"
#include "simnet.h"

#define START UINT64_C(5000000)
#define SECOND UINT64_C(1000000)
#define OVERHEAD 28u

/* What happens to marks on the way from the client to the server. */
enum box { BOX_NONE, BOX_CLEAR, BOX_ALL_CE, BOX_DROP, BOX_ECT1 };

struct bottleneck {
	uint64_t rate;               /* bytes/s */
	uint64_t queue;              /* bytes that it holds */
	uint64_t mark;               /* bytes in the queue from which on it marks; 0: never. What has no mark is dropped there */
	enum box box;
	uint64_t box_at;             /* us after START; from then on */
};

struct world {
	uint64_t now, seed;
	struct simnet net;
	struct bottleneck b;
	uint64_t busy_until;
	struct mem *mem[2];
	struct endpoint *ep[2];
	struct session *session[2];
	uint32_t host;
	int from;                    /* side that writes; the bottleneck is in its direction */
	uint64_t got, marked, ce, drops, sent;
	double queue_sum;            /* bytes found by each datagram */
};

static struct path
path_of(const struct world *w, int side)
{
	struct netaddr client = { .family = 4, .ip = { 10, 0, 0, (uint8_t)w->host }, .port = 1001 };
	struct netaddr server = { .family = 4, .ip = { 10, 0, 0, 99 }, .port = 80 };

	return (struct path){ .sock = 1, .local = side == 0 ? client : server, .remote = side == 0 ? server : client };
}

static void
world_init(struct world *w, const struct session_config *client, const struct session_config *server,
    const struct simnet_link *link, const struct bottleneck *b, uint64_t seed)
{
	struct path p;

	memset(w, 0, sizeof(*w));
	w->now = w->busy_until = START;
	w->seed = seed;
	w->b = *b;
	w->host = 1;
	simnet_init(&w->net, link, seed);
	for (int i = 0; i < 2; i++) {
		uint8_t s[32] = { (uint8_t)(seed + 1), (uint8_t)i };

		w->mem[i] = mem_new(0);
		w->ep[i] = endpoint_new(w->mem[i], s);
		ck_assert_ptr_nonnull(w->ep[i]);
		endpoint_set_time(w->ep[i], UINT64_C(1700000000000000000), w->now - 1000000);
	}
	ck_assert_int_gt(endpoint_listen(w->ep[1], 1, server), 0);
	p = path_of(w, 0);
	w->session[0] = endpoint_connect(w->ep[0], &p, client, w->now);
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

static bool
meddle(const struct world *w, uint8_t *mark)
{
	if (*mark == ECN_NOT_ECT || w->now < START + w->b.box_at)
		return true;
	switch (w->b.box) {
	case BOX_CLEAR:
		*mark = ECN_NOT_ECT;
		return true;
	case BOX_ALL_CE:
		*mark = ECN_CE;
		return true;
	case BOX_ECT1:
		*mark = ECN_ECT1;
		return true;
	case BOX_DROP:
		return false;
	default:
		return true;
	}
}

/* A queue that marks above a threshold what may be marked, and drops there, one in two, what may not. */
static void
through_queue(struct world *w, const struct path *to, const uint8_t *buf, size_t len)
{
	uint64_t free_at = w->busy_until > w->now ? w->busy_until : w->now;
	uint64_t backlog = (free_at - w->now) * w->b.rate / SECOND;

	w->sent++;
	w->queue_sum += (double)backlog;
	w->marked += w->net.mark != ECN_NOT_ECT;
	if (backlog + len > w->b.queue ||
	    (w->b.mark != 0 && backlog >= w->b.mark && w->net.mark == ECN_NOT_ECT && simnet_chance(&w->net.rng, 500))) {
		w->drops++;
		return;
	}
	if (w->b.mark != 0 && backlog >= w->b.mark && w->net.mark != ECN_NOT_ECT) {
		w->net.mark = ECN_CE;
		w->ce++;
	}
	w->busy_until = free_at + (len + OVERHEAD) * SECOND / w->b.rate;
	simnet_send(&w->net, !w->from, to, buf, len, w->busy_until);
}

static void
send_due(struct world *w, int side)
{
	uint8_t buf[ENDPOINT_DATAGRAM_MAX];
	struct path p, to = path_of(w, !side);
	size_t len;

	while ((len = endpoint_output(w->ep[side], &p, buf, sizeof(buf), w->now)) > 0) {
		w->net.mark = (uint8_t)endpoint_mark(w->ep[side]);
		/* A server that still sends to where the client was loses that. */
		if (side == 1 && !netaddr_equal(&p.remote, &to.local))
			continue;
		if (side != w->from)
			simnet_send(&w->net, !side, &to, buf, len, w->now);
		else if (meddle(w, &w->net.mark))
			through_queue(w, &to, buf, len);
	}
}

static void
fill(struct world *w)
{
	struct iovec iov[4];
	int n;

	while (w->session[w->from] != NULL && (n = session_send_reserve(w->session[w->from], iov, 4, 65536)) > 0) {
		size_t len = 0;

		for (int i = 0; i < n; i++) {
			memset(iov[i].iov_base, 'x', iov[i].iov_len);
			len += iov[i].iov_len;
		}
		session_send_commit(w->session[w->from], len, w->now);
	}
}

static void
read_all(struct world *w)
{
	struct session *s = w->session[!w->from];
	struct iovec iov;

	while (s != NULL && session_recv_peek(s, &iov, 1) == 1) {
		w->got += iov.iov_len;
		session_recv_consume(s, iov.iov_len, w->now);
	}
}

static void
step(struct world *w, uint64_t until)
{
	uint64_t next = simnet_next(&w->net), at;
	struct simnet_datagram *d;
	struct session *s;

	for (int i = 0; i < 2; i++)
		if ((at = endpoint_deadline(w->ep[i])) < next)
			next = at;
	if (next > w->now)
		w->now = next < until ? next : until;
	while ((d = simnet_receive(&w->net, w->now)) != NULL) {
		endpoint_set_mark(w->ep[d->to], (enum ecn_mark)d->mark);
		(void)endpoint_input(w->ep[d->to], &d->path, d->data, d->len, w->now);
		free(d);
	}
	for (int i = 0; i < 2; i++)
		while ((s = endpoint_next_ready(w->ep[i])) != NULL) {
			session_take_events(s);
			w->session[i] = s;
		}
}

/* Bulk from the client until `us` after the start. */
static void
run(struct world *w, uint64_t us)
{
	while (w->now < START + us) {
		fill(w);
		for (int i = 0; i < 2; i++)
			send_due(w, i);
		step(w, START + us);
		read_all(w);
	}
}

static struct session_info
info_of(const struct world *w, int side)
{
	struct session_info info;

	session_get_info(w->session[side], &info);
	return info;
}

static const struct bottleneck wire = { .rate = 2500000, .queue = 200000 };

static void
config(struct session_config *cfg, bool ecn, enum kcp_cc cc)
{
	session_config_default(cfg);
	cfg->ecn = ecn;
	cfg->cc = cc;
	cfg->kcp.snd_wnd = cfg->kcp.rcv_wnd = 2048;
}

#define JITTERY 8            /* seeds from here on: datagrams overtake each other */

struct outcome {
	uint64_t bytes, drops, sent, marked, ce;
	double queue;                /* ms that datagrams waited in the mean */
	struct ecn ecn;
	struct ecn peer;
};

static struct outcome
transfer(bool client, bool server, enum kcp_cc cc, const struct bottleneck *b, uint64_t seed, uint64_t us)
{
	const struct simnet_link link = { .delay = 15000 + 5000 * (seed % 4), .jitter = seed >= JITTERY ? 8000 : 0 };
	struct session_config a, s;
	struct outcome o;
	struct world w;

	config(&a, client, cc);
	config(&s, server, cc);
	world_init(&w, &a, &s, &link, b, seed);
	run(&w, us);
	o = (struct outcome){ .bytes = w.got, .drops = w.drops, .sent = w.sent, .marked = w.marked, .ce = w.ce,
		.queue = w.queue_sum / (double)w.sent / (double)b->rate * 1000, .ecn = info_of(&w, 0).ecn,
		.peer = info_of(&w, 1).ecn };
	printf("seed %llu ecn %d/%d cc %d: %.2f MB, %llu sent, %llu marked, %llu CE, %llu dropped, queue %.1f ms, state %u\n",
	    (unsigned long long)seed, client, server, (int)cc, (double)w.got / 1e6, (unsigned long long)w.sent, (unsigned long long)w.marked,
	    (unsigned long long)w.ce, (unsigned long long)w.drops, o.queue, o.ecn.state);
	world_dispose(&w);
	return o;
}

START_TEST(clean_path)
{
	struct outcome o = transfer(true, true, KCP_CC_AUTO, &wire, (uint64_t)_i, 3 * SECOND);

	ck_assert_int_eq(o.ecn.state, ECN_CAPABLE);
	ck_assert_uint_gt(o.marked, o.sent * 9 / 10);
	ck_assert_uint_eq(o.ce, 0);
	ck_assert_uint_eq(o.ecn.marked, o.marked);
	/* Counted as sent, but for what is under way or was dropped. */
	ck_assert_uint_le(o.peer.ect0, o.marked);
	ck_assert_uint_ge(o.peer.ect0 + 300 + o.drops, o.marked);
}
END_TEST

START_TEST(both_must_want_it)
{
	struct outcome o = transfer(_i & 1, _i & 2, KCP_CC_AUTO, &wire, (uint64_t)_i, SECOND);

	ck_assert_uint_eq(o.marked != 0, _i == 3);
}
END_TEST

/* Marks instead of drops: as much gets through, nothing has to be repeated, and the queue is no longer. */
START_TEST(marking_queue)
{
	static const enum kcp_cc cc[] = { KCP_CC_AUTO, KCP_CC_KCP };
	const struct bottleneck b = { .rate = 2500000, .queue = 200000, .mark = 30000 };
	struct outcome with = transfer(true, true, cc[_i % 2], &b, (uint64_t)_i, 6 * SECOND);
	struct outcome without = transfer(false, false, cc[_i % 2], &b, (uint64_t)_i, 6 * SECOND);

	ck_assert_int_eq(with.ecn.state, ECN_CAPABLE);
	ck_assert_uint_gt(with.ce, 0);
	ck_assert_uint_eq(with.ecn.seen.ce <= with.ce, true);
	ck_assert_uint_lt(with.drops * 2, without.drops);
	ck_assert_uint_gt(with.bytes, without.bytes * 97 / 100);
}
END_TEST

/* A queue that only drops when it is full holds more, and loses. */
START_TEST(full_queue)
{
	const struct bottleneck fifo = { .rate = 2500000, .queue = 150000 }, marks = { .rate = 2500000, .queue = 150000, .mark = 30000 };
	struct outcome with = transfer(true, true, KCP_CC_KCP, &marks, (uint64_t)_i, 6 * SECOND);
	struct outcome without = transfer(true, true, KCP_CC_KCP, &fifo, (uint64_t)_i, 6 * SECOND);

	ck_assert_uint_eq(with.drops, 0);
	ck_assert_uint_gt(without.drops, 0);
	ck_assert(with.queue * 2 < without.queue);
	ck_assert_uint_gt(with.bytes, without.bytes * 90 / 100);
}
END_TEST

static const enum box boxes[] = { BOX_CLEAR, BOX_ALL_CE, BOX_DROP, BOX_ECT1 };

/* From the beginning: no data is ever marked, and nothing gets slower. */
START_TEST(bad_path)
{
	static const enum kcp_cc cc[] = { KCP_CC_AUTO, KCP_CC_KCP };
	struct bottleneck b = wire;
	struct outcome with, without;

	b.box = boxes[_i % 4];
	with = transfer(true, true, cc[_i / 4], &b, (uint64_t)_i, 2 * SECOND);
	without = transfer(false, false, cc[_i / 4], &b, (uint64_t)_i, 2 * SECOND);
	ck_assert_int_eq(with.ecn.state, ECN_FAILED);
	ck_assert_uint_ge(with.ecn.marked, 1);
	ck_assert_uint_le(with.ecn.marked, ECN_PROBES);
	ck_assert_uint_ge(with.bytes, without.bytes * 99 / 100);
}
END_TEST

/* Once everything is marked: what is lost until that shows is bounded. */
START_TEST(path_turns_bad)
{
	static const enum kcp_cc cc[] = { KCP_CC_AUTO, KCP_CC_KCP };
	struct bottleneck b = wire;
	struct outcome with, without;
	uint64_t least;

	b.box = boxes[_i % 4];
	b.box_at = SECOND;
	with = transfer(true, true, cc[_i / 4], &b, (uint64_t)_i, 5 * SECOND);
	without = transfer(false, false, cc[_i / 4], &b, (uint64_t)_i, 5 * SECOND);
	ck_assert_int_eq(with.ecn.state, ECN_FAILED);
	/* Two timeouts; some halvings, of which `kcp` recovers by a datagram in each round trip; nothing. */
	least = without.bytes * 97 / 100;
	if (b.box == BOX_DROP || (b.box == BOX_ALL_CE && cc[_i / 4] == KCP_CC_KCP))
		least = without.bytes / 2;
	ck_assert_uint_ge(with.bytes, least);
}
END_TEST

/* Another address: what was found out holds no more, and what is under way confuses nobody. */
START_TEST(another_path)
{
	static const struct { enum box before, after; enum ecn_state found, then; } cases[] = {
		{ BOX_NONE, BOX_NONE, ECN_CAPABLE, ECN_CAPABLE }, { BOX_CLEAR, BOX_NONE, ECN_FAILED, ECN_CAPABLE },
		{ BOX_NONE, BOX_CLEAR, ECN_CAPABLE, ECN_FAILED }, { BOX_ECT1, BOX_NONE, ECN_FAILED, ECN_CAPABLE },
		{ BOX_ALL_CE, BOX_DROP, ECN_FAILED, ECN_FAILED },
	};
	const struct simnet_link link = { .delay = 20000 };
	struct bottleneck b = wire;
	struct session_config cfg;
	struct world w;

	config(&cfg, true, KCP_CC_AUTO);
	b.box = cases[_i].before;
	world_init(&w, &cfg, &cfg, &link, &b, (uint64_t)_i);
	w.from = 1;
	run(&w, SECOND);
	ck_assert_int_eq(info_of(&w, 1).ecn.state, cases[_i].found);
	w.host = 2;
	w.b.box = cases[_i].after;
	run(&w, 3 * SECOND);
	ck_assert_uint_eq(session_path(w.session[1])->remote.ip[3], 2);
	ck_assert_int_eq(info_of(&w, 1).ecn.state, cases[_i].then);
	world_dispose(&w);
}
END_TEST

/* --- what is concluded from counts --- */

#define RTT UINT64_C(50000)

struct word {
	enum { USED, PROBE, SEND, PLAIN_SEND, TELL, LATER, RESTART, SUSPECT } what;
	struct ecn_counts counts;       /* TELL */
	uint32_t n;                     /* SEND, PLAIN_SEND: datagrams; LATER: round trips; TELL: expected growth of CE */
	enum ecn_state state;           /* afterwards */
};

static const struct word capable[] = {
	{ USED, { 0 }, 0, ECN_TESTING }, { PROBE, { 0 }, 0, ECN_TESTING }, { TELL, { 5, 1, 0, 0 }, 0, ECN_CAPABLE },
	{ SEND, { 0 }, 10, ECN_CAPABLE }, { TELL, { 9, 8, 0, 2 }, 2, ECN_CAPABLE },
	{ TELL, { 8, 8, 0, 1 }, 0, ECN_CAPABLE },             /* came late */
	{ TELL, { 10, 8, 0, 3 }, 1, ECN_CAPABLE }, { SUSPECT, { 0 }, 0, ECN_TESTING },
	{ TELL, { 11, 8, 0, 3 }, 0, ECN_TESTING }, { PROBE, { 0 }, 0, ECN_TESTING }, { TELL, { 11, 9, 0, 3 }, 0, ECN_CAPABLE },
	{ 0 },
};
static const struct word cleared[] = {
	{ USED, { 0 }, 0, ECN_TESTING }, { PROBE, { 0 }, 0, ECN_TESTING }, { TELL, { 10, 1, 0, 0 }, 0, ECN_CAPABLE },
	{ SEND, { 0 }, 10, ECN_CAPABLE }, { TELL, { 20, 1, 0, 0 }, 0, ECN_CAPABLE },
	{ TELL, { 21, 1, 0, 0 }, 0, ECN_FAILED }, { RESTART, { 0 }, 0, ECN_TESTING }, { 0 },
};
static const struct word more_than_sent[] = {
	{ USED, { 0 }, 0, ECN_TESTING }, { PROBE, { 0 }, 0, ECN_TESTING }, { TELL, { 0, 2, 0, 0 }, 0, ECN_FAILED },
	{ SEND, { 0 }, 3, ECN_FAILED }, { 0 },
};
static const struct word ect1[] = {
	{ USED, { 0 }, 0, ECN_TESTING }, { PROBE, { 0 }, 0, ECN_TESTING }, { TELL, { 5, 0, 1, 0 }, 0, ECN_FAILED }, { 0 },
};
static const struct word silent[] = {
	{ USED, { 0 }, 0, ECN_TESTING }, { PROBE, { 0 }, 0, ECN_TESTING }, { LATER, { 0 }, 3, ECN_TESTING },
	{ PROBE, { 0 }, 0, ECN_TESTING }, { LATER, { 0 }, 3, ECN_TESTING }, { PROBE, { 0 }, 0, ECN_TESTING },
	{ LATER, { 0 }, 3, ECN_FAILED }, { 0 },
};
/* One that meets a queue at first is no reason to give up; its CE has no effect, as it was not data. */
static const struct word ce_at_first[] = {
	{ USED, { 0 }, 0, ECN_TESTING }, { PROBE, { 0 }, 0, ECN_TESTING }, { TELL, { 5, 0, 0, 1 }, 0, ECN_TESTING },
	{ PROBE, { 0 }, 0, ECN_TESTING }, { TELL, { 5, 1, 0, 1 }, 0, ECN_CAPABLE }, { 0 },
};
static const struct word all_ce[] = {
	{ USED, { 0 }, 0, ECN_TESTING }, { PROBE, { 0 }, 0, ECN_TESTING }, { TELL, { 5, 1, 0, 0 }, 0, ECN_CAPABLE },
	{ SEND, { 0 }, 200, ECN_CAPABLE }, { TELL, { 5, 1, 0, 100 }, 100, ECN_CAPABLE }, { LATER, { 0 }, 9, ECN_CAPABLE },
	{ TELL, { 5, 2, 0, 110 }, 10, ECN_CAPABLE },          /* one without: a queue */
	{ TELL, { 5, 2, 0, 111 }, 1, ECN_CAPABLE }, { LATER, { 0 }, 9, ECN_CAPABLE },
	{ TELL, { 5, 2, 0, 174 }, 63, ECN_FAILED }, { 0 },
};

static const struct word *const stories[] = { capable, cleared, more_than_sent, ect1, silent, ce_at_first, all_ce };

START_TEST(conclusions)
{
	struct ecn e = { 0 };
	uint64_t now = 1000000;
	uint32_t sent = 20;

	for (const struct word *d = stories[_i]; d->what != 0 || d->state != ECN_IDLE; d++) {
		switch (d->what) {
		case USED:
			ecn_used(&e);
			break;
		case PROBE:
			/* Not before it is known whether the one before arrived. */
			ck_assert(ecn_probe_due(&e, now, now));
			ecn_probe_sent(&e, 2 * RTT, now);
			sent++;
			ck_assert(!ecn_probe_due(&e, now, now));
			now++;
			break;
		case SEND:
		case PLAIN_SEND:
			for (uint32_t i = 0; i < d->n; i++, sent++)
				ck_assert_int_eq(ecn_mark(&e), d->what == SEND && d->state == ECN_CAPABLE ? ECN_ECT0 : ECN_NOT_ECT);
			break;
		case TELL:
			ck_assert_uint_eq(ecn_report(&e, &d->counts, sent, RTT, now), d->n);
			break;
		case LATER:
			now += d->n * RTT;
			if (d->state == ECN_FAILED)
				ck_assert(!ecn_probe_due(&e, now, now));
			break;
		case RESTART:
			ecn_restart(&e);
			break;
		case SUSPECT:
			ecn_suspect(&e);
			break;
		}
		ck_assert_msg(e.state == d->state, "story %d, word %d: state %u", _i, (int)(d - stories[_i]), e.state);
	}
}
END_TEST

START_TEST(echo)
{
	struct ecn e = { 0 };
	struct ecn_counts c;
	uint32_t total = 100, told = 0;

	ck_assert(!ecn_echo(&e, total, &c));
	for (uint32_t i = 1; i <= ECN_ECHO_FIRST; i++) {
		ecn_received(&e, ECN_ECT0);
		ck_assert(ecn_echo(&e, ++total, &c));
		ck_assert_uint_eq(c.other, 100);
		ck_assert_uint_eq(c.ect0, i);
		ecn_echoed(&e, &c);
		ck_assert(!ecn_echo(&e, total, &c));
	}
	for (uint32_t i = 0; i < 10 * ECN_ECHO_LUMP; i++) {
		ecn_received(&e, ECN_ECT0);
		if (ecn_echo(&e, ++total, &c)) {
			ecn_echoed(&e, &c);
			told++;
		}
	}
	ck_assert_uint_eq(told, 10);
	ecn_received(&e, ECN_CE);
	ck_assert(ecn_echo(&e, ++total, &c));
	ck_assert_uint_eq(c.ce, 1);
	ecn_received(&e, ECN_ECT1);
	ck_assert(ecn_echo(&e, ++total, &c));
	ck_assert_uint_eq(c.ect1, 1);
	ck_assert_uint_eq(c.other + c.ect0 + c.ect1 + c.ce, total);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("ecn");

	tcase_add_loop_test(t, clean_path, 0, 3);
	tcase_add_loop_test(t, clean_path, JITTERY, JITTERY + 3);
	tcase_add_loop_test(t, both_must_want_it, 0, 4);
	tcase_add_loop_test(t, marking_queue, 0, 4);
	tcase_add_loop_test(t, full_queue, 0, 2);
	tcase_add_loop_test(t, bad_path, 0, 8);
	tcase_add_loop_test(t, path_turns_bad, 0, 8);
	tcase_add_loop_test(t, another_path, 0, 5);
	tcase_add_loop_test(t, conclusions, 0, (int)(sizeof(stories) / sizeof(stories[0])));
	tcase_add_test(t, echo);
	return check_main("ecn", t);
}
