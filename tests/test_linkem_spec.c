#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "linkem_packet.h"
#include "linkem_spec.h"
#include "checkmain.h"

static struct linkem_profile profiles[LINKEM_DIRECTIONS];
static char error[128];

static int
apply(const char *word)
{
	return linkem_spec_apply(profiles, word, error, sizeof(error));
}

START_TEST(test_words_set_fields)
{
	memset(profiles, 0, sizeof(profiles));
	ck_assert_int_eq(apply("rate=2.5M"), 0);
	ck_assert_int_eq(apply("ab.delay=1.5ms"), 0);
	ck_assert_int_eq(apply("ba.delay=1s"), 0);
	ck_assert_int_eq(apply("loss=2%"), 0);
	ck_assert_int_eq(apply("ba.loss=0.5"), 0);
	ck_assert_int_eq(apply("queue-bytes=64K"), 0);
	ck_assert_int_eq(apply("reorder=on"), 0);
	ck_assert_int_eq(apply("jitter=0"), 0);
	ck_assert_uint_eq(profiles[LINKEM_AB].rate, 2500000);
	ck_assert_uint_eq(profiles[LINKEM_BA].rate, 2500000);
	ck_assert_uint_eq(profiles[LINKEM_AB].delay_ns, 1500000);
	ck_assert_uint_eq(profiles[LINKEM_BA].delay_ns, LINKEM_NS_PER_S);
	ck_assert_double_eq_tol(profiles[LINKEM_AB].loss, 0.02, 1e-12);
	ck_assert_double_eq_tol(profiles[LINKEM_BA].loss, 0.5, 1e-12);
	ck_assert_uint_eq(profiles[LINKEM_AB].queue_bytes, 65536);
	ck_assert(profiles[LINKEM_AB].reorder);
}
END_TEST

static const char *const bad_words[] = {"", "rate", "rate=", "rate=x", "rate=-1", "rate=5X", "delay=5", "delay=5min",
	"loss=2", "loss=200%", "reorder=yes", "speed=1M", "xy.rate=1M", "ab.", "profile=moon", "loss=nan", "rate=1e99"};

START_TEST(test_bad_words_are_refused)
{
	memset(profiles, 0, sizeof(profiles));
	error[0] = '\0';
	ck_assert_int_eq(apply(bad_words[_i]), -1);
	ck_assert_ptr_nonnull(strstr(error, bad_words[_i]));
}
END_TEST

START_TEST(test_profile_replaces_and_can_be_changed)
{
	memset(profiles, 0, sizeof(profiles));
	ck_assert_int_eq(apply("duplicate=1%"), 0);
	ck_assert_int_eq(apply("profile=lossy"), 0);
	ck_assert_int_eq(apply("delay=1ms"), 0);
	ck_assert_double_eq_tol(profiles[LINKEM_BA].duplicate, 0, 1e-12);
	ck_assert_double_eq_tol(profiles[LINKEM_BA].burst, 4, 1e-12);
	ck_assert_uint_eq(profiles[LINKEM_BA].rate, 50000000);
	ck_assert_uint_eq(profiles[LINKEM_BA].delay_ns, LINKEM_NS_PER_MS);
}
END_TEST

START_TEST(test_flight_sorts_by_time_then_entry)
{
	struct linkem_flight flight = {0};
	uint64_t last_due = 0, last_order = 0;
	struct linkem_packet *packet;

	ck_assert_uint_eq(linkem_flight_next(&flight), UINT64_MAX);
	for (unsigned i = 0; i < 5000; i++) {
		packet = linkem_packet_new(1);
		packet->due_ns = i * 7919 % 100;
		ck_assert_int_eq(linkem_flight_push(&flight, packet), 0);
	}
	for (unsigned i = 0; i < 4000; i++) {
		ck_assert_uint_ge(linkem_flight_next(&flight), last_due);
		packet = linkem_flight_pop(&flight);
		ck_assert(i == 0 || packet->due_ns > last_due || packet->order > last_order);
		last_due = packet->due_ns;
		last_order = packet->order;
		linkem_packet_free(packet);
	}
	ck_assert_uint_eq(flight.count, 1000);
	linkem_flight_dispose(&flight);
	ck_assert_ptr_null(linkem_flight_pop(&flight));
}
END_TEST

/* The ones' complement sum that RFC 768 wants, over an IPv4 packet with UDP; 0xffff when the checksum is right. */
static uint32_t
udp_sum(const uint8_t *p, size_t len)
{
	uint32_t sum = 17 + (uint32_t)(len - 20);

	for (size_t i = 12; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t
make_udp(uint8_t *p, size_t payload)
{
	size_t len = 28 + payload;
	uint32_t sum;

	memset(p, 0, len);
	p[0] = 0x45;
	p[9] = 17;
	p[12] = 10;
	p[16] = 11;
	p[25] = (uint8_t)(8 + payload);
	for (size_t i = 0; i < payload; i++)
		p[28 + i] = (uint8_t)(i * 37);
	sum = 0xffff ^ udp_sum(p, len);
	p[26] = (uint8_t)(sum >> 8);
	p[27] = (uint8_t)sum;
	ck_assert_uint_eq(udp_sum(p, len), 0xffff);
	return len;
}

START_TEST(test_corruption_flips_one_payload_bit)
{
	uint8_t before[128], after[128];
	size_t payload = 1 + (size_t)_i % 50, len = make_udp(before, payload);
	unsigned flipped = 0;

	for (int hide = 0; hide <= 1; hide++) {
		memcpy(after, before, len);
		linkem_packet_corrupt(after, len, (uint32_t)_i * 2654435761u, hide);
		flipped = 0;
		for (size_t i = 0; i < len; i++) {
			if (i >= 28)
				flipped += (unsigned)__builtin_popcount(before[i] ^ after[i]);
			else if (i < 26 || !hide)
				ck_assert_uint_eq(before[i], after[i]);
		}
		ck_assert_uint_eq(flipped, 1);
		ck_assert(hide == (udp_sum(after, len) == 0xffff));
	}
}
END_TEST

START_TEST(test_corruption_leaves_what_has_no_payload)
{
	uint8_t p[64], copy[64];
	size_t len = make_udp(p, 0);

	memcpy(copy, p, len);
	linkem_packet_corrupt(p, len, 3, 0);
	linkem_packet_corrupt(p, 10, 3, 0);
	linkem_packet_corrupt(p, 0, 3, 0);
	ck_assert_mem_eq(p, copy, len);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static uint16_t
header_sum(const uint8_t *p)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

START_TEST(test_mark)
{
	uint8_t four[28] = {0x45, 0, 0, 28, 0x12, 0x34, 0x40, 0, 64, 17, 0, 0, 10, 77, 1, 1, 10, 77, 1, 2};
	uint8_t six[48] = {0x60, 0};
	uint8_t ecn = (uint8_t)(_i % 4), class = (uint8_t)(_i * 4 + ecn);
	int expected = ecn == 1 || ecn == 2;
	uint16_t sum;

	four[1] = class;
	six[0] = (uint8_t)(0x60 | class >> 4);
	six[1] = (uint8_t)(class << 4 | 5);
	sum = (uint16_t)~header_sum(four);
	four[10] = (uint8_t)(sum >> 8);
	four[11] = (uint8_t)sum;
	ck_assert_int_eq(linkem_packet_mark(four, sizeof(four)), expected);
	ck_assert_int_eq(linkem_packet_mark(six, sizeof(six)), expected);
	ck_assert_uint_eq(four[1], expected ? class | 3 : class);
	ck_assert_uint_eq(header_sum(four), 0xffff);
	ck_assert_uint_eq((six[0] & 15) << 4 | six[1] >> 4, expected ? class | 3 : class);
	ck_assert_uint_eq(six[1] & 15, 5);
	ck_assert_int_eq(linkem_packet_mark(four, 10), 0);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("spec");

	tcase_add_test(tc, test_words_set_fields);
	tcase_add_loop_test(tc, test_bad_words_are_refused, 0, COUNT(bad_words));
	tcase_add_test(tc, test_profile_replaces_and_can_be_changed);
	tcase_add_test(tc, test_flight_sorts_by_time_then_entry);
	tcase_add_loop_test(tc, test_corruption_flips_one_payload_bit, 0, 500);
	tcase_add_loop_test(tc, test_mark, 0, 64);
	tcase_add_test(tc, test_corruption_leaves_what_has_no_payload);
	return check_main("linkem_spec", tc);
}
