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
	simnet_send(&w->net, 1, to, buf, len, w->busy_until);
}

static void
send_due(struct world *w, int side)
{
	uint8_t buf[ENDPOINT_DATAGRAM_MAX];
	struct path p, to = path_of(w, !side);
	size_t len;

	while ((len = endpoint_output(w->ep[side], &p, buf, sizeof(buf), w->now)) > 0) {
		w->net.mark = (uint8_t)endpoint_mark(w->ep[side]);
		if (side == 1) {
			if (netaddr_equal(&p.remote, &to.local))
				simnet_send(&w->net, 0, &to, buf, len, w->now);
		} else if (meddle(w, &w->net.mark)) {
			through_queue(w, &to, buf, len);
		}
	}
}

static void
fill(struct world *w)
{
	struct iovec iov[4];
	int n;

	while ((n = session_send_reserve(w->session[0], iov, 4, 65536)) > 0) {
		size_t len = 0;

		for (int i = 0; i < n; i++) {
			memset(iov[i].iov_base, 'x', iov[i].iov_len);
			len += iov[i].iov_len;
		}
		session_send_commit(w->session[0], len, w->now);
	}
}

static void
read_all(struct world *w)
{
	struct iovec iov;

	while (w->session[1] != NULL && session_recv_peek(w->session[1], &iov, 1) == 1) {
		w->got += iov.iov_len;
		session_recv_consume(w->session[1], iov.iov_len, w->now);
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

static const struct simnet_link link_20ms = { .delay = 20000 };
static const struct bottleneck wire = { .rate = 2500000, .queue = 200000 };

static void
config(struct session_config *cfg, bool ecn, enum kcp_cc cc)
{
	session_config_default(cfg);
	cfg->ecn = ecn;
	cfg->cc = cc;
	cfg->kcp.snd_wnd = cfg->kcp.rcv_wnd = 2048;
}

struct outcome {
	uint64_t bytes, drops, sent, marked, ce;
	double queue;                /* ms that datagrams waited in the mean */
	struct ecn ecn;
	struct ecn peer;
};

static struct outcome
transfer(bool client, bool server, enum kcp_cc cc, const struct bottleneck *b, uint64_t seed, uint64_t us)
{
	struct session_config a, s;
	struct outcome o;
	struct world w;

	config(&a, client, cc);
	config(&s, server, cc);
	world_init(&w, &a, &s, &link_20ms, b, seed);
	run(&w, us);
	o = (struct outcome){ .bytes = w.got, .drops = w.drops, .sent = w.sent, .marked = w.marked, .ce = w.ce,
		.queue = w.queue_sum / (double)w.sent / (double)b->rate * 1000, .ecn = info_of(&w, 0).ecn, .peer = info_of(&w, 1).ecn };
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
	struct outcome with = transfer(true, true, cc[_i % 2], &b, (uint64_t)_i, 10 * SECOND);
	struct outcome without = transfer(false, false, cc[_i % 2], &b, (uint64_t)_i, 10 * SECOND);

	ck_assert_int_eq(with.ecn.state, ECN_CAPABLE);
	ck_assert_uint_gt(with.ce, 0);
	ck_assert_uint_eq(with.ecn.seen.ce <= with.ce, true);
	ck_assert_uint_lt(with.drops * 2, without.drops);
	ck_assert_uint_gt(with.bytes, without.bytes * 97 / 100);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("ecn");

	tcase_add_loop_test(t, clean_path, 0, 3);
	tcase_add_loop_test(t, both_must_want_it, 0, 4);
	tcase_add_loop_test(t, marking_queue, 0, 6);
	return check_main("ecn", t);
}
