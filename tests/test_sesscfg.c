/* sesscfg: modes and single settings become what the session is made with. */
#include <check.h>
#include <string.h>

#include "engine/sesscfg.h"
#include "checkmain.h"

static const struct {
	const char *name;
	const char *options[6];   /* name, value, ... */
	bool nodelay;
	uint32_t interval_us, resend;
	enum kcp_cc cc;
} modes[] = {
	{ "normal", { "mode", "normal" }, false, 40000, 2, KCP_CC_NONE },
	{ "fast", { "mode", "fast" }, false, 30000, 2, KCP_CC_NONE },
	{ "fast2", { "mode", "fast2" }, true, 20000, 2, KCP_CC_NONE },
	{ "fast3", { "mode", "fast3" }, true, 10000, 2, KCP_CC_NONE },
	{ "aiokcp", { "mode", "aiokcp" }, true, 100000, 2, KCP_CC_KCP },
	{ "single settings win", { "mode", "fast3", "update_interval", "50", "no_congestion_control", "0" }, true, 50000, 2, KCP_CC_KCP },
	{ "cc by name", { "cc", "none", "mode", "aiokcp", "resend_count", "5" }, true, 100000, 5, KCP_CC_NONE },
};

static void
make(struct session_config *cfg, const char *const options[6])
{
	struct rules_options o;
	char err[RULES_ERRLEN];

	memset(&o, 0, sizeof(o));
	for (int i = 0; i < 6 && options[i] != NULL; i += 2)
		ck_assert_msg(rules_option_parse(&o, options[i], options[i + 1], err, sizeof(err)) == 0, "%s", err);
	sesscfg_from_options(cfg, &o);
}

START_TEST(test_modes)
{
	struct session_config cfg;

	make(&cfg, modes[_i].options);
	ck_assert_int_eq(cfg.kcp.nodelay, modes[_i].nodelay);
	ck_assert_uint_eq(cfg.kcp.interval_us, modes[_i].interval_us);
	ck_assert_uint_eq(cfg.kcp.resend, modes[_i].resend);
	ck_assert_int_eq(cfg.kcp.cc, modes[_i].cc);
	ck_assert(!cfg.plain);
}
END_TEST

START_TEST(test_aiokcp_defaults)
{
	static const char *const options[6] = { "mode", "aiokcp", "wire", "plain" };
	struct session_config cfg;

	make(&cfg, options);
	ck_assert(cfg.plain);
	ck_assert_uint_eq(cfg.mtu, 1400);
	ck_assert_uint_eq(cfg.kcp.snd_wnd, 32);
	ck_assert_uint_eq(cfg.kcp.rcv_wnd, 128);
	ck_assert(!cfg.kcp.stream);
	ck_assert_uint_eq(cfg.idle_timeout_us, 600ull * 1000000);
	ck_assert_uint_eq(cfg.keep_idle_us, 25000000);
}
END_TEST

START_TEST(test_units)
{
	static const char *const options[6] = { "timeout", "30", "keepalive", "7", "send_window_size", "999" };
	struct session_config cfg;

	make(&cfg, options);
	ck_assert_uint_eq(cfg.idle_timeout_us, 30000000);
	ck_assert_uint_eq(cfg.keep_idle_us, 7000000);
	ck_assert_uint_eq(cfg.keep_count, SESSION_KEEP_FOREVER);
	ck_assert_uint_eq(cfg.kcp.snd_wnd, 999);
	ck_assert_uint_eq(cfg.kcp.snd_buf, 0);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("sesscfg");

	tcase_add_loop_test(t, test_modes, 0, (int)(sizeof(modes) / sizeof(modes[0])));
	tcase_add_test(t, test_aiokcp_defaults);
	tcase_add_test(t, test_units);
	return check_main("sesscfg", t);
}
