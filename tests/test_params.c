#include <string.h>

#include "checkmain.h"
#include "core/error.h"
#include "core/params.h"
#include "core/seal.h"

START_TEST(round_trip)
{
	static const struct handshake_params cases[] = {
		{ .time = 1, .rcv_wnd = 2, .mtu = 3, .cid = 4, .nsuites = 2, .suites = { 1, 2 } },
		{ .time = UINT64_MAX, .rcv_wnd = UINT32_MAX, .mtu = UINT16_MAX, .cid = UINT32_MAX, .nsuites = 8,
		    .suites = { 9, 8, 7, 6, 5, 4, 3, 2 } },
		{ .time = UINT64_C(0x0102030405060708), .nsuites = 1, .suites = { 0 } },
		{ .rcv_wnd = 70000 },
		{ .rcv_wnd = 70000, .fec = 1, .ecn = 1 },
		{ .mtu = 0 },
		{ .rcv_wnd = 2, .mtu = 3, .cid = 4, .has_reset = true, .reset = { 1, 2, 3, [19] = 20 }, .nsuites = 1, .suites = { 2 } },
	};
	struct handshake_params out;
	uint8_t buf[PARAMS_LEN];

	params_write(&cases[_i], buf);
	ck_assert_int_eq(params_read(&out, buf, sizeof buf), 0);
	ck_assert_uint_eq(out.time, cases[_i].time);
	ck_assert_uint_eq(out.rcv_wnd, cases[_i].rcv_wnd);
	ck_assert_uint_eq(out.mtu, cases[_i].mtu);
	ck_assert_uint_eq(out.cid, cases[_i].cid);
	ck_assert_uint_eq(out.nsuites, cases[_i].nsuites);
	ck_assert_mem_eq(out.suites, cases[_i].suites, sizeof out.suites);
	ck_assert_uint_eq(out.fec, cases[_i].fec);
	ck_assert_uint_eq(out.ecn, cases[_i].ecn);
	ck_assert_int_eq(out.has_reset, cases[_i].has_reset);
	ck_assert_mem_eq(out.reset, cases[_i].reset, sizeof out.reset);
}
END_TEST

START_TEST(bytes_as_documented)
{
	static const uint8_t want[] = {
		1, 8, 8, 7, 6, 5, 4, 3, 2, 1, 2, 4, 0, 4, 0, 0, 3, 2, 0xdc, 5, 5, 4, 4, 3, 2, 1, 4, 2, 1, 2, 0, 0,
	};
	const struct handshake_params params = { .time = UINT64_C(0x0102030405060708), .rcv_wnd = 1024, .mtu = 1500,
		.cid = 0x01020304, .nsuites = 2, .suites = { 1, 2 } };
	uint8_t buf[PARAMS_LEN];

	params_write(&params, buf);
	ck_assert_mem_eq(buf, want, sizeof want);
}
END_TEST

START_TEST(odd_lists)
{
	static const struct {
		uint8_t in[24];
		size_t len;
		int ret;
		uint32_t rcv_wnd;
	} cases[] = {
		{ { 0 }, 0, 0, 0 },
		{ { 2, 4, 1, 0, 0, 0 }, 6, 0, 1 },
		{ { 200, 3, 9, 9, 9, 2, 4, 1, 0, 0, 0 }, 11, 0, 1 },       /* unknown type */
		{ { 200, 0, 2, 4, 1, 0, 0, 0 }, 8, 0, 1 },                 /* unknown and empty */
		{ { 2, 4, 1, 0, 0, 0, 2, 4, 5, 0, 0, 0 }, 12, 0, 5 },      /* twice: the last */
		{ { 0, 2, 4, 1, 0, 0, 0 }, 7, 0, 0 },                      /* after the end */
		{ { 2, 3, 1, 0, 0 }, 5, KCPSHIM_E_FORMAT, 0 },
		{ { 1, 4, 1, 0, 0, 0 }, 6, KCPSHIM_E_FORMAT, 0 },
		{ { 3, 0 }, 2, KCPSHIM_E_FORMAT, 0 },
		{ { 2 }, 1, KCPSHIM_E_SHORT, 0 },
		{ { 2, 4, 1, 0, 0 }, 5, KCPSHIM_E_SHORT, 0 },
		{ { 200, 255, 1 }, 3, KCPSHIM_E_SHORT, 0 },
		{ { 4, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, 12, 0, 0 },    /* more suites than are kept */
		{ { 4, 0 }, 2, 0, 0 },
	};
	struct handshake_params out;

	ck_assert_int_eq(params_read(&out, cases[_i].in, cases[_i].len), cases[_i].ret);
	if (cases[_i].ret == 0)
		ck_assert_uint_eq(out.rcv_wnd, cases[_i].rcv_wnd);
	ck_assert_uint_le(out.nsuites, PARAMS_SUITES_MAX);
}
END_TEST

START_TEST(too_long)
{
	static const uint8_t zero[PARAMS_MAX + 1];
	struct handshake_params out;

	ck_assert_int_eq(params_read(&out, zero, PARAMS_MAX), 0);
	ck_assert_int_eq(params_read(&out, zero, PARAMS_MAX + 1), KCPSHIM_E_RANGE);
}
END_TEST

#define AES SEAL_AES_256_GCM
#define CHACHA SEAL_CHACHA20_POLY1305

START_TEST(chosen_suite)
{
	static const struct {
		uint8_t nclient, client[3], nserver, server[3];
		int want;
	} cases[] = {
		{ 2, { AES, CHACHA }, 2, { AES, CHACHA }, AES },
		{ 2, { CHACHA, AES }, 2, { AES, CHACHA }, CHACHA },
		{ 2, { AES, CHACHA }, 2, { CHACHA, AES }, CHACHA },
		{ 2, { CHACHA, AES }, 2, { CHACHA, AES }, CHACHA },
		{ 1, { AES }, 2, { CHACHA, AES }, AES },
		{ 2, { AES, CHACHA }, 1, { CHACHA }, CHACHA },
		{ 3, { 77, AES, CHACHA }, 2, { AES, CHACHA }, CHACHA },
		{ 1, { SEAL_NONE }, 2, { AES, CHACHA }, -1 },
		{ 1, { AES }, 1, { CHACHA }, -1 },
		{ 0, { 0 }, 2, { AES, CHACHA }, -1 },
		{ 2, { AES, CHACHA }, 0, { 0 }, -1 },
	};
	struct handshake_params client = { .nsuites = cases[_i].nclient };

	memcpy(client.suites, cases[_i].client, cases[_i].nclient);
	ck_assert_int_eq(params_choose_suite(&client, cases[_i].server, cases[_i].nserver), cases[_i].want);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("params");

	tcase_add_loop_test(tc, round_trip, 0, 6);
	tcase_add_test(tc, bytes_as_documented);
	tcase_add_loop_test(tc, odd_lists, 0, 14);
	tcase_add_test(tc, too_long);
	tcase_add_loop_test(tc, chosen_suite, 0, 11);
	return check_main("params", tc);
}
