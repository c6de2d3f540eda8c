#include <string.h>

#include "checkmain.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/phase.h"

#define HEADER 9u
#define KEEP_US UINT64_C(1000)

static struct mem *mem;
static struct phase_tx tx;
static struct phase_rx rx;
static uint64_t now;

struct datagram {
	uint64_t pn;
	unsigned bit;
	size_t len;
	uint8_t b[64];
};

static void
setup(void)
{
	uint8_t secret[TRAFFIC_SECRET_LEN] = { 1 };
	struct traffic_keys keys;

	mem = mem_new(0);
	now = 5000;
	traffic_derive(&keys, SEAL_AES_256_GCM, secret);
	ck_assert_int_eq(phase_tx_init(&tx, mem, &keys, now), 0);
	ck_assert_int_eq(phase_rx_init(&rx, mem, &keys), 0);
}

static void
teardown(void)
{
	phase_tx_dispose(&tx, mem);
	phase_rx_dispose(&rx, mem);
	ck_assert_uint_eq(mem_used(mem), 0);
	mem_destroy(mem);
}

/* What the sender makes now, with its phase bit and number in the associated data as on the wire. */
static struct datagram
make(uint64_t pn)
{
	struct datagram d = { .pn = pn, .bit = tx.phase & 1, .b = "payload" };
	uint8_t aad[HEADER] = { 0 }, rnd[16] = { 0 };

	aad[4] = (uint8_t)d.bit;
	d.len = (size_t)seal_protect(phase_tx_seal(&tx, mem), pn, aad, sizeof aad, d.b, 7, rnd);
	return d;
}

static int
take(struct datagram d)
{
	uint8_t aad[HEADER] = { 0 }, *plain;
	int ret;

	aad[4] = (uint8_t)d.bit;
	ret = phase_rx_open(&rx, mem, d.bit, d.pn, aad, sizeof aad, d.b, d.len, &plain, now, KEEP_US);
	if (ret >= 0)
		ck_assert_mem_eq(plain, "payload", 7);
	return ret;
}

static void
renew(uint64_t pn)
{
	phase_tx_confirm(&tx);
	now += PHASE_LIFETIME_US;
	ck_assert(phase_tx_renew(&tx, mem, pn, now));
}

START_TEST(due_by_count_or_time_once_confirmed)
{
	ck_assert(!phase_tx_renew(&tx, mem, TRAFFIC_RENEW_DATAGRAMS, now + PHASE_LIFETIME_US));
	phase_tx_confirm(&tx);
	ck_assert(!phase_tx_renew(&tx, mem, TRAFFIC_RENEW_DATAGRAMS - 1, now + PHASE_LIFETIME_US - 1));
	ck_assert(phase_tx_renew(&tx, mem, TRAFFIC_RENEW_DATAGRAMS, now));
	ck_assert_uint_eq(tx.phase, 1);
	ck_assert(!phase_tx_renew(&tx, mem, 2 * TRAFFIC_RENEW_DATAGRAMS, now + PHASE_LIFETIME_US));
	phase_tx_confirm(&tx);
	ck_assert(!phase_tx_renew(&tx, mem, 2 * TRAFFIC_RENEW_DATAGRAMS - 1, now + PHASE_LIFETIME_US - 1));
	ck_assert(phase_tx_renew(&tx, mem, TRAFFIC_RENEW_DATAGRAMS + 1, now + PHASE_LIFETIME_US));
	ck_assert_uint_eq(tx.phase, 2);
}
END_TEST

START_TEST(many_phases)
{
	for (uint64_t pn = 0; pn < 40; pn++) {
		if (pn % 4 == 3)
			renew(pn);
		ck_assert_int_eq(take(make(pn)), 7);
	}
	ck_assert_uint_eq(tx.phase, 10);
	ck_assert_uint_eq(rx.phase, 10);
}
END_TEST

START_TEST(late_datagrams_of_the_phase_before)
{
	struct datagram late = make(1), later = make(2), first, second;

	ck_assert_int_eq(take(make(0)), 7);
	renew(3);
	first = make(3);
	second = make(4);
	ck_assert_int_eq(take(second), 7);   /* overtook the first of its phase */
	ck_assert_int_eq(take(first), 7);
	ck_assert_int_eq(take(late), 7);
	now += KEEP_US;
	ck_assert_int_eq(take(later), KCPSHIM_E_AUTH);
	ck_assert_uint_eq(rx.phase, 1);
}
END_TEST

START_TEST(forgeries_change_nothing)
{
	struct datagram good = make(9), forged;

	for (unsigned i = 0; i < 100; i++) {
		forged = make(i);
		forged.bit ^= 1;
		ck_assert_int_eq(take(forged), KCPSHIM_E_AUTH);
		forged = make(i);
		forged.b[0] ^= 1;
		ck_assert_int_eq(take(forged), KCPSHIM_E_AUTH);
	}
	ck_assert_uint_eq(rx.phase, 0);
	ck_assert_int_eq(take(good), 7);
	renew(10);
	ck_assert_int_eq(take(make(10)), 7);
	forged = good;
	forged.pn = 11;                      /* an old one as if it were of the phase after */
	ck_assert_int_eq(take(forged), KCPSHIM_E_AUTH);
	ck_assert_uint_eq(rx.phase, 1);
	ck_assert_int_eq(take(make(12)), 7);
}
END_TEST

START_TEST(resting_costs_little)
{
	ck_assert_int_eq(take(make(0)), 7);
	renew(1);
	ck_assert_int_eq(take(make(1)), 7);
	ck_assert_ptr_nonnull(rx.previous);
	phase_tx_rest(&tx, mem);
	now += KEEP_US;
	phase_rx_rest(&rx, mem, now);
	ck_assert_ptr_null(rx.previous);
	ck_assert_uint_eq(mem_used(mem), 0);
	ck_assert_int_eq(take(make(2)), 7);
	/* In the middle of a renewal: the receiver wakes by a datagram of the next phase. */
	phase_tx_rest(&tx, mem);
	phase_rx_rest(&rx, mem, now);
	renew(3);
	ck_assert_int_eq(take(make(3)), 7);
	ck_assert_int_eq(take(make(4)), 7);
}
END_TEST

START_TEST(disposed_is_wiped)
{
	static const struct phase_rx zero_rx;
	static const struct phase_tx zero_tx;

	phase_tx_dispose(&tx, mem);
	phase_rx_dispose(&rx, mem);
	ck_assert_mem_eq(&tx, &zero_tx, sizeof tx);
	ck_assert_mem_eq(&rx, &zero_rx, sizeof rx);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("phase");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, due_by_count_or_time_once_confirmed);
	tcase_add_test(tc, many_phases);
	tcase_add_test(tc, late_datagrams_of_the_phase_before);
	tcase_add_test(tc, forgeries_change_nothing);
	tcase_add_test(tc, resting_costs_little);
	tcase_add_test(tc, disposed_is_wiped);
	return check_main("phase", tc);
}
