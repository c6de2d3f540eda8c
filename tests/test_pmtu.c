#include <stdio.h>

#include <check.h>

#include "checkmain.h"
#include "core/pmtu.h"

#define RTT_US 50000u
#define TIMEOUT_US 80000u

/* A path whose datagrams beyond `mtu` vanish, and `loss` of 1000 of all others. */
struct model {
	struct pmtu pmtu;
	uint16_t mtu;
	unsigned loss;
	bool down;             /* nothing passes at all */
	uint64_t now, rng;
	unsigned probes, oversize;
};

static bool
passes(struct model *m, uint16_t size)
{
	/* splitmix64 */
	uint64_t z = m->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return size <= m->mtu && !m->down && (z ^ z >> 31) % 1000 >= m->loss;
}

/* Probes are sent and answered, or not, until `until`. The flow is never idle. */
static void
run(struct model *m, uint64_t until)
{
	while (m->now < until) {
		struct pmtu *p = &m->pmtu;
		uint16_t size;

		pmtu_used(p, m->now);
		size = pmtu_due(p, m->now);
		if (size == 0) {
			m->now = p->at < until ? (p->at > m->now ? p->at : m->now + 1) : until;
			pmtu_expired(p, !m->down, m->now);
			continue;
		}
		m->probes++;
		m->oversize += size > m->mtu;
		pmtu_sent(p, TIMEOUT_US, m->now);
		if (passes(m, size) && passes(m, PMTU_SMALL)) {
			m->now += RTT_US;
			pmtu_answered(p, size, m->now);
		} else {
			m->now += TIMEOUT_US;
			pmtu_expired(p, !m->down, m->now);
		}
	}
}

static void
model_init(struct model *m, uint16_t mtu, uint16_t max, uint64_t seed)
{
	*m = (struct model){ .mtu = mtu, .now = 1000000, .rng = seed };
	pmtu_init(&m->pmtu, PMTU_BASE_SIZE, max, 1);
}

static const struct { uint16_t mtu, max, probes; } paths[] = {
	{ 1472, 1472, 1 }, { 1452, 1472, 20 }, { 1372, 1472, 30 }, { 1252, 1472, 30 }, { 1232, 1472, 30 }, { 1200, 1472, 30 },
	{ 8972, 8972, 2 }, { 1472, 8972, 80 }, { 4000, 8972, 60 }, { 65000, 9216, 2 },
};
/* The same where nothing between 1472 and 8972 is expected. */
static const struct { uint16_t mtu, size, probes; } expected[] = {
	{ 8972, 8972, 2 }, { 9500, 8972, 2 }, { 4000, 1472, 7 }, { 1472, 1472, 7 }, { 1460, 1460, 20 }, { 1372, 1372, 35 },
};

START_TEST(finds_the_size)
{
	struct model m;
	uint16_t best = paths[_i].mtu < paths[_i].max ? paths[_i].mtu : paths[_i].max;

	model_init(&m, paths[_i].mtu, paths[_i].max, 1);
	ck_assert_uint_eq(m.pmtu.at, PMTU_NEVER);
	run(&m, m.now + 30000000);
	ck_assert_uint_eq(m.pmtu.state, PMTU_COMPLETE);
	ck_assert_uint_le(m.pmtu.size, best);
	ck_assert_uint_ge(m.pmtu.size, best - PMTU_STEP);
	ck_assert_uint_le(m.probes, paths[_i].probes);
}
END_TEST

START_TEST(expects_the_usual)
{
	struct model m;

	model_init(&m, expected[_i].mtu, 8972, 1);
	pmtu_expect(&m.pmtu, 1472);
	run(&m, m.now + 30000000);
	ck_assert_uint_eq(m.pmtu.state, PMTU_COMPLETE);
	ck_assert_uint_le(m.pmtu.size, expected[_i].size);
	ck_assert_uint_ge(m.pmtu.size, expected[_i].size == 8972 || expected[_i].size == 1472 ? expected[_i].size :
	    expected[_i].size - PMTU_STEP);
	ck_assert_uint_le(m.probes, expected[_i].probes);
}
END_TEST

/* Nothing is asked of a path while no full datagram uses it. */
START_TEST(silent_without_need)
{
	struct pmtu p;

	pmtu_init(&p, PMTU_BASE_SIZE, 1472, 1);
	ck_assert_uint_eq(pmtu_due(&p, UINT64_C(1) << 40), 0);
	ck_assert_uint_eq(p.at, PMTU_NEVER);
	pmtu_used(&p, 7);
	ck_assert_uint_eq(pmtu_due(&p, 7), 1472);
	pmtu_init(&p, 1000, 1000, 1);
	pmtu_used(&p, 7);
	ck_assert_uint_eq(pmtu_due(&p, 7), 0);
}
END_TEST

START_TEST(loss_is_not_mtu)
{
	unsigned wrong = 0;

	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct model m;

		model_init(&m, 1472, 1472, seed);
		m.loss = 50;
		run(&m, m.now + 30000000);
		wrong += m.pmtu.size != 1472;
	}
	printf("5%% of loss: %u of 2000 searches ended below the path's MTU\n", wrong);
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(black_hole)
{
	static const uint16_t narrow[] = { 1300, 1200, 1100, 600, 548 };
	struct model m;
	uint64_t fell;

	for (unsigned i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++) {
		model_init(&m, 1472, 1472, 1);
		run(&m, m.now + 1000000);
		ck_assert_uint_eq(m.pmtu.size, 1472);
		m.mtu = narrow[i];
		fell = m.now + 3000000;
		while (m.pmtu.size > m.mtu) {
			ck_assert_uint_lt(m.now, fell);
			pmtu_suspect(&m.pmtu, m.now);
			run(&m, m.now + 10000);
		}
		run(&m, m.now + 30000000);
		ck_assert_uint_le(m.pmtu.size, m.mtu);
		ck_assert_uint_ge(m.pmtu.size + PMTU_STEP, m.mtu);
	}
}
END_TEST

START_TEST(suspicion_refuted)
{
	struct model m;
	unsigned probes;

	model_init(&m, 1472, 1472, 1);
	run(&m, m.now + 1000000);
	probes = m.probes;
	for (int i = 0; i < 30; i++) {
		pmtu_suspect(&m.pmtu, m.now);
		run(&m, m.now + 10000);
	}
	ck_assert_uint_eq(m.pmtu.size, 1472);
	ck_assert_uint_eq(m.pmtu.state, PMTU_COMPLETE);
	ck_assert_uint_eq(m.probes, probes + 1);
}
END_TEST

/* A path that is down for a while has not become narrower. */
START_TEST(outage)
{
	struct model m;

	model_init(&m, 1472, 1472, 1);
	m.down = true;
	run(&m, m.now + 60000000);
	ck_assert_uint_eq(m.pmtu.size, PMTU_BASE_SIZE);
	m.down = false;
	run(&m, m.now + 1000000);
	ck_assert_uint_eq(m.pmtu.size, 1472);
	m.down = true;
	pmtu_suspect(&m.pmtu, m.now);
	run(&m, m.now + 60000000);
	ck_assert_uint_eq(m.pmtu.size, 1472);
	m.down = false;
	run(&m, m.now + 20000000);
	ck_assert_uint_eq(m.pmtu.size, 1472);
	ck_assert_uint_eq(m.pmtu.state, PMTU_COMPLETE);
}
END_TEST

START_TEST(raised_again)
{
	struct model m;

	model_init(&m, 1300, 1472, 1);
	run(&m, m.now + 30000000);
	ck_assert_uint_le(m.pmtu.size, 1300);
	m.mtu = 1472;
	run(&m, m.now + PMTU_RAISE_US / 2);
	ck_assert_uint_le(m.pmtu.size, 1300);
	for (int i = 0; i < 600; i++)
		run(&m, m.now + PMTU_RAISE_US / 600);
	ck_assert_uint_eq(m.pmtu.size, 1472);
}
END_TEST

/* Forged messages change nothing while full datagrams pass; true ones make the search short. */
START_TEST(hints)
{
	struct model m;
	unsigned before;

	model_init(&m, 1472, 1472, 1);
	run(&m, m.now + 1000000);
	before = m.probes;
	for (unsigned i = 0; i < 1000 && m.now < 9000000; i++) {
		pmtu_hint(&m.pmtu, (uint16_t)(i * 37 % 1500), m.now);
		run(&m, m.now + 10000);
		ck_assert_uint_eq(m.pmtu.size, 1472);
	}
	ck_assert_uint_le(m.probes - before, 10);
	m.mtu = 1372;
	m.now += PMTU_CALM_US;
	pmtu_hint(&m.pmtu, 1372, m.now);
	run(&m, m.now + 1000000);
	ck_assert_uint_eq(m.pmtu.size, 1372);
	/* Below the base only what is seen counts. */
	m.mtu = 1250;
	pmtu_hint(&m.pmtu, 600, m.now);
	run(&m, m.now + 1000000);
	ck_assert_uint_ge(m.pmtu.size, PMTU_BASE_SIZE);
	/* While searching: what is said to pass comes next. */
	model_init(&m, 1372, 1472, 1);
	pmtu_used(&m.pmtu, m.now);
	pmtu_sent(&m.pmtu, TIMEOUT_US, m.now);
	pmtu_hint(&m.pmtu, 1372, m.now);
	ck_assert_uint_eq(pmtu_due(&m.pmtu, m.now), 1372);
	run(&m, m.now + 1000000);
	ck_assert_uint_eq(m.pmtu.size, 1372);
}
END_TEST

START_TEST(refused_by_the_host)
{
	struct pmtu p;

	pmtu_init(&p, PMTU_BASE_SIZE, 8972, 1);
	pmtu_used(&p, 1);
	ck_assert_uint_eq(pmtu_due(&p, 1), PMTU_ETHERNET);
	ck_assert(pmtu_answered(&p, PMTU_ETHERNET, 2));
	ck_assert_uint_eq(pmtu_due(&p, 2), 8972);
	ck_assert(!pmtu_refused(&p, 8972, 1472, 2));
	ck_assert_uint_eq(pmtu_due(&p, 2), 1472);
	ck_assert(pmtu_answered(&p, 1472, 3));
	ck_assert_uint_eq(p.state, PMTU_COMPLETE);
	ck_assert(pmtu_refused(&p, 1472, 1252, 4));
	ck_assert_uint_eq(p.size, 1252);
	ck_assert(pmtu_refused(&p, 1252, 0, 5));
	ck_assert_uint_eq(p.size, PMTU_BASE_SIZE);
	ck_assert(pmtu_refused(&p, 1200, 100, 6));
	ck_assert_uint_eq(p.size, PMTU_MIN_SIZE);
	ck_assert(!pmtu_refused(&p, PMTU_MIN_SIZE, 100, 7));
}
END_TEST

/* Answers that name nothing: a single one proves no size. */
START_TEST(two_answers)
{
	struct pmtu p;

	pmtu_init(&p, PMTU_BASE_SIZE, 1400, 2);
	pmtu_used(&p, 1);
	pmtu_sent(&p, TIMEOUT_US, 1);
	ck_assert(!pmtu_answered(&p, 1400, 2));
	ck_assert_uint_eq(pmtu_due(&p, 2), 1400);
	pmtu_sent(&p, TIMEOUT_US, 2);
	ck_assert(pmtu_answered(&p, 1400, 3));
	ck_assert_uint_eq(p.size, 1400);
}
END_TEST

START_TEST(late_answer)
{
	struct pmtu p;
	uint64_t now = 1;

	pmtu_init(&p, PMTU_BASE_SIZE, 1472, 1);
	for (unsigned i = 0; i < PMTU_TRIES; i++) {
		pmtu_used(&p, now);
		ck_assert_uint_eq(pmtu_due(&p, now), 1472);
		pmtu_sent(&p, TIMEOUT_US, now);
		now += TIMEOUT_US;
		pmtu_expired(&p, true, now);
	}
	ck_assert_uint_lt(pmtu_due(&p, now), 1472);
	ck_assert(pmtu_answered(&p, 1472, now));
	ck_assert_uint_eq(p.size, 1472);
	ck_assert(!pmtu_answered(&p, 1473, now));
	ck_assert(!pmtu_answered(&p, 1300, now));
	ck_assert_uint_eq(p.size, 1472);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("pmtu");

	tcase_add_loop_test(t, finds_the_size, 0, (int)(sizeof(paths) / sizeof(paths[0])));
	tcase_add_loop_test(t, expects_the_usual, 0, (int)(sizeof(expected) / sizeof(expected[0])));
	tcase_add_test(t, silent_without_need);
	tcase_add_test(t, loss_is_not_mtu);
	tcase_add_test(t, black_hole);
	tcase_add_test(t, suspicion_refuted);
	tcase_add_test(t, outage);
	tcase_add_test(t, raised_again);
	tcase_add_test(t, hints);
	tcase_add_test(t, refused_by_the_host);
	tcase_add_test(t, two_answers);
	tcase_add_test(t, late_answer);
	return check_main("pmtu", t);
}
