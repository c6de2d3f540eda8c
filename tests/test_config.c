#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "engine/config_int.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Every test runs in a process of its own, with an empty environment and an empty directory. */
static char dir[] = "/tmp/kcpshim-test-config-XXXXXX";
static char err[400];

static void
setup(void)
{
	umask(022);
	ck_assert_int_eq(clearenv(), 0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	setenv("XDG_CONFIG_HOME", dir, 1);
	err[0] = '\0';
}

static void
teardown(void)
{
	static const char *const files[] = { "kcpshim/rules", "kcpshim", ".config/kcpshim/rules", ".config/kcpshim", ".config",
		"etc/kcpshim/rules", "etc/kcpshim", "etc", "rules", "key", "salt", "fifo", NULL };

	for (size_t i = 0; files[i] != NULL; i++)
		remove(files[i]);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
put(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(name, mode), 0);
}

static const char *
in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
load_ok(struct config *c)
{
	int rc = config_load(c, false, err, sizeof(err));

	ck_assert_msg(rc == KCPSHIM_OK, "%s", err);
}

static void
load_fails(const char *want)
{
	struct config c;

	ck_assert_int_lt(config_load(&c, false, err, sizeof(err)), 0);
	ck_assert_str_eq(err, want);
	ck_assert_ptr_null(c.rules);
	ck_assert_ptr_null(strchr(err, '\n'));
}


static void
load_good(void)
{
	struct config c;

	load_ok(&c);
	config_dispose(&c);
}

static enum rules_action
match(const struct config *c, uint16_t port, struct rules_options *o)
{
	struct netaddr a = { .family = 4, .ip = { 192, 0, 2, 1 }, .port = port };

	return config_match(c, RULES_CONNECT, &a, o);
}

START_TEST(nothing_set_is_inactive)
{
	struct config c;

	load_ok(&c);
	ck_assert(!c.active);
	ck_assert_str_eq(c.program, "test_config");
	ck_assert_int_eq(c.log_level, CONFIG_LOG_ERROR);
	ck_assert_str_eq(c.log_file, "");
	ck_assert_uint_eq(c.base.set, 0);
	config_dispose(&c);
}
END_TEST

START_TEST(rules_file_places)
{
	struct rules_options o;
	struct config c;

	/* never the working directory */
	put("rules", "kcp any *:1\n", 0644);
	load_ok(&c);
	ck_assert(!c.active);
	config_dispose(&c);
	mkdir("kcpshim", 0755);
	put("kcpshim/rules", "kcp any *:2\n", 0644);
	load_ok(&c);
	ck_assert(c.active);
	ck_assert_int_eq(match(&c, 2, &o), RULES_KCP);
	ck_assert_int_eq(match(&c, 1, &o), RULES_TCP);
	config_dispose(&c);
	/* the system's file only when the user has none; this program is built with sysconfdir "etc" */
	mkdir("etc", 0755);
	mkdir("etc/kcpshim", 0755);
	put("etc/kcpshim/rules", "kcp any *:4\n", 0644);
	load_ok(&c);
	ck_assert_int_eq(match(&c, 4, &o), RULES_TCP);
	config_dispose(&c);
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	load_ok(&c);
	ck_assert_int_eq(match(&c, 4, &o), RULES_KCP);
	ck_assert_int_eq(match(&c, 2, &o), RULES_TCP);
	config_dispose(&c);
	/* $HOME/.config when XDG_CONFIG_HOME is not set */
	unsetenv("XDG_CONFIG_HOME");
	setenv("HOME", dir, 1);
	mkdir(".config", 0755);
	mkdir(".config/kcpshim", 0755);
	put(".config/kcpshim/rules", "kcp any *:3\n", 0644);
	load_ok(&c);
	ck_assert_int_eq(match(&c, 3, &o), RULES_KCP);
	ck_assert_int_eq(match(&c, 2, &o), RULES_TCP);
	config_dispose(&c);
	/* KCPSHIM_RULES replaces both */
	setenv("KCPSHIM_RULES", in_dir("rules"), 1);
	load_ok(&c);
	ck_assert_int_eq(match(&c, 1, &o), RULES_KCP);
	ck_assert_int_eq(match(&c, 3, &o), RULES_TCP);
	config_dispose(&c);
}
END_TEST

START_TEST(named_file_must_be_there)
{
	char want[400];

	setenv("KCPSHIM_RULES", in_dir("missing"), 1);
	snprintf(want, sizeof(want), "%s/missing: No such file or directory", dir);
	load_fails(want);
	setenv("KCPSHIM_RULES", dir, 1);
	snprintf(want, sizeof(want), "%s: not a regular file", dir);
	load_fails(want);
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	setenv("KCPSHIM_RULES", "fifo", 1);
	load_fails("fifo: not a regular file");
	/* An empty variable is as good as none. */
	setenv("KCPSHIM_RULES", "", 1);
	load_ok(&(struct config){ 0 });
}
END_TEST

START_TEST(file_errors_name_file_and_line)
{
	setenv("KCPSHIM_RULES", "rules", 1);
	put("rules", "# x\nkcp any *:9000-8000\n", 0644);
	load_fails("rules:2: \"9000-8000\" is upside down: the first port is above the last");
	put("rules", "kcp any *:1 speed=2\n", 0644);
	load_fails("rules:1: unknown option \"speed\"");
	put("rules", "\n\nauto any *:1 crypto=aes-cbc\n", 0644);
	load_fails("rules:3: crypto=aes-cbc needs wire=plain");
	put("rules", "kcp any *:1 fec=10+3\n", 0644);
	load_fails("rules:1: fec=10+3 is not one of off, auto, K:M");
	put("rules", "kcp any *:1 ecn=on wire=plain\n", 0644);
	load_fails("rules:1: ecn=on needs wire=session: a plain peer has no way to tell what came marked");
	put("rules", "kcp any *:1 fec=auto wire=plain\n", 0644);
	load_fails("rules:1: fec=auto needs wire=session: a plain peer has to know the groups beforehand");
}
END_TEST

START_TEST(too_large_a_file_is_refused)
{
	FILE *f = fopen("rules", "w");

	for (int i = 0; i < 70000; i++)
		fputs("tcp any *:1 # x\n", f);
	ck_assert_int_eq(fclose(f), 0);
	setenv("KCPSHIM_RULES", "rules", 1);
	load_fails("rules: larger than 1048576 bytes");
}
END_TEST

START_TEST(command_line_goes_before_the_file)
{
	struct rules_options o;
	struct config c;

	put("rules", "tcp any *:*\n", 0644);
	setenv("KCPSHIM_RULES", "rules", 1);
	setenv("KCPSHIM_PORTS", "80-89", 1);
	setenv("KCPSHIM_RULES_TEXT", "tcp any *:82\nkcp any *:90 mode=fast", 1);
	load_ok(&c);
	ck_assert(c.active);
	ck_assert_int_eq(match(&c, 82, &o), RULES_TCP);
	ck_assert_int_eq(match(&c, 83, &o), RULES_KCP);
	ck_assert_int_eq(match(&c, 90, &o), RULES_KCP);
	ck_assert_int_eq(o.mode, RULES_MODE_FAST);
	ck_assert_int_eq(match(&c, 91, &o), RULES_TCP);
	config_dispose(&c);
}
END_TEST

START_TEST(program_decides_activity)
{
	struct config c;

	setenv("KCPSHIM_RULES_TEXT", "kcp any *:1 program=other", 1);
	load_ok(&c);
	ck_assert(!c.active);
	config_dispose(&c);
	setenv("KCPSHIM_RULES_TEXT", "kcp any *:1 program=test_conf*", 1);
	load_ok(&c);
	ck_assert(c.active);
	config_dispose(&c);
}
END_TEST

START_TEST(secure_mode_ignores_everything)
{
	struct config c;

	setenv("KCPSHIM_RULES", "/nonexistent", 1);
	setenv("KCPSHIM_PORTS", "bogus", 1);
	setenv("KCPSHIM_BOGUS", "1", 1);
	ck_assert_int_eq(config_load(&c, true, err, sizeof(err)), KCPSHIM_OK);
	ck_assert(!c.active && c.rules == NULL && c.base.set == 0);
	ck_assert_int_eq(c.log_level, CONFIG_LOG_NONE);
	config_dispose(&c);
}
END_TEST

/* variable, value, the error */
static const struct { const char *name, *value, *error; } bad[] = {
	{ "KCPSHIM_BOGUS", "1", "unknown environment variable KCPSHIM_BOGUS (see kcpshim(7))" },
	{ "KCPSHIM_", "1", "unknown environment variable KCPSHIM_ (see kcpshim(7))" },
	{ "KCPSHIM_mode", "fast", "unknown environment variable KCPSHIM_mode (see kcpshim(7))" },
	{ "KCPSHIM_MODES", "", "unknown environment variable KCPSHIM_MODES (see kcpshim(7))" },
	{ "KCPSHIM_PROGRAM", "x", "unknown environment variable KCPSHIM_PROGRAM (see kcpshim(7))" },
	{ "KCPSHIM_MODE", "quick",
	    "KCPSHIM_MODE: mode=quick is not one of auto, normal, fast, fast2, fast3, aiokcp" },
	{ "KCPSHIM_SEND_WINDOW_SIZE", "0", "KCPSHIM_SEND_WINDOW_SIZE: send_window_size=0 is not a number from 1 to 65535" },
	{ "KCPSHIM_ENGINE", "fork", "KCPSHIM_ENGINE: engine=fork is not one of thread, process" },
	{ "KCPSHIM_PORTS", "9-8", "KCPSHIM_PORTS: \"9-8\" is upside down: the first port is above the last" },
	{ "KCPSHIM_PORTS", "80,x", "KCPSHIM_PORTS: \"x\" is not a port (1 to 65535)" },
	{ "KCPSHIM_RULES_TEXT", "kcp any *:1\nkcp any *:0",
	    "KCPSHIM_RULES_TEXT:2: \"0\" is not a port (1 to 65535)" },
	{ "KCPSHIM_LOG", "loud", "KCPSHIM_LOG: \"loud\" is not LEVEL[:FILE] with none, error, warn, info or debug" },
	{ "KCPSHIM_LOG", "info:", "KCPSHIM_LOG: the file name must have 1 to 255 bytes" },
	{ "KCPSHIM_KEY_FILE", "/nonexistent/key", "environment: /nonexistent/key: No such file or directory" },
	{ "KCPSHIM_SALT_FILE", "/nonexistent/salt", "environment: /nonexistent/salt: No such file or directory" },
	{ "KCPSHIM_CRYPTO", "aes-cbc", "environment: crypto=aes-cbc needs wire=plain" },
};

START_TEST(bad_variables)
{
	setenv(bad[_i].name, bad[_i].value, 1);
	load_fails(bad[_i].error);
}
END_TEST

/* Rules given inline, and what is wrong with them together with KCPSHIM_KEY and KCPSHIM_SALT ("k", "s" when set). */
static const struct { const char *rule; bool key, salt; const char *error; } combos[] = {
	{ "kcp any *:1 crypto=aes-cbc", true, true, "crypto=aes-cbc needs wire=plain" },
	{ "kcp any *:1 crypto=aes-cbc wire=session", true, true, "crypto=aes-cbc needs wire=plain" },
	{ "kcp any *:1 crypto=aead wire=plain", false, false, "crypto=aead needs wire=session" },
	{ "kcp any *:1 crypto=aes-cbc wire=plain", false, false,
	    "crypto=aes-cbc needs a key (key_file or key) and a salt (salt_file or salt)" },
	{ "kcp any *:1 crypto=aes-cbc wire=plain", true, false,
	    "crypto=aes-cbc needs a key (key_file or key) and a salt (salt_file or salt)" },
	{ "kcp any *:1 crypto=aes-cbc wire=plain", false, true,
	    "crypto=aes-cbc needs a key (key_file or key) and a salt (salt_file or salt)" },
	{ "kcp any *:1 wire=plain", true, false,
	    "wire=plain with a key needs crypto=aes-cbc, or crypto=none to leave the key unused" },
	{ "kcp any *:1 key=a key_file=/k", false, false, "key and key_file exclude each other" },
	{ "kcp any *:1 salt=a salt_file=/k", false, false, "salt and salt_file exclude each other" },
	{ "kcp any *:1 crypto=none key=a", false, false, "crypto=none leaves the key unused" },
	{ "kcp any *:1 salt=a", false, false, "a salt is used with crypto=aes-cbc or a plugin only" },
	{ "kcp any *:1 stream=0", false, false, "stream=0 needs wire=plain" },
	{ "kcp any *:1 open=empty-push", false, false, "open=empty-push needs wire=plain" },
	{ "kcp any *:1 key_file=key", false, false, "key_file and salt_file need absolute paths in a rule" },
	{ "kcp any *:1 crypto=plugin:/x.so", false, false, "crypto=plugin needs wire=plain" },
	{ "kcp any *:1 wire=plain crypto=plugin:/nonexistent.so", false, false, "/nonexistent.so: No such file or directory" },
	{ "kcp any *:1 wire=plain", false, false, NULL },
	{ "kcp any *:1 wire=plain stream=0 open=empty-push", false, false, NULL },
	{ "kcp any *:1 wire=plain crypto=none", true, true, NULL },
	{ "kcp any *:1 wire=plain crypto=aes-cbc", true, true, NULL },
	{ "kcp any *:1", true, false, NULL },
	{ "kcp any *:1 key=k", false, false, NULL },
	{ "kcp any *:1 crypto=aead", false, false, NULL },
	{ "kcp connect *:1 udp_port=3", false, false, "udp_port is supported for role listen only in this version" },
	{ "kcp listen *:1 udp_port=3", false, false, NULL },
	{ "kcp connect *:1 udp_port=0", false, false, NULL },
	{ "kcp any *:1 crypto=none", true, true, NULL },
	{ "kcp any *:1 stream=1 open=none", false, false, NULL },
	{ "kcp any *:1 mode=aiokcp", false, false, NULL },
};

START_TEST(combinations)
{
	char want[200];

	setenv("KCPSHIM_RULES_TEXT", combos[_i].rule, 1);
	if (combos[_i].key)
		setenv("KCPSHIM_KEY", "k", 1);
	if (combos[_i].salt)
		setenv("KCPSHIM_SALT", "s", 1);
	if (combos[_i].error == NULL) {
		struct config c;

		load_ok(&c);
		config_dispose(&c);
		return;
	}
	snprintf(want, sizeof(want), "KCPSHIM_RULES_TEXT:1: %s", combos[_i].error);
	load_fails(want);
}
END_TEST

START_TEST(environment_is_the_base_of_every_rule)
{
	struct rules_options o;
	struct config c;

	setenv("KCPSHIM_MODE", "fast", 1);
	setenv("KCPSHIM_NO_DELAY", "1", 1);
	setenv("KCPSHIM_UPDATE_INTERVAL", "20", 1);
	setenv("KCPSHIM_RESEND_COUNT", "2", 1);
	setenv("KCPSHIM_NO_CONGESTION_CONTROL", "1", 1);
	setenv("KCPSHIM_SEND_WINDOW_SIZE", "64", 1);
	setenv("KCPSHIM_RECEIVE_WINDOW_SIZE", "256", 1);
	setenv("KCPSHIM_MAX_TRANSMISSION", "1300", 1);
	setenv("KCPSHIM_STREAM", "1", 1);
	setenv("KCPSHIM_TIMEOUT", "60", 1);
	setenv("KCPSHIM_WIRE", "plain", 1);
	setenv("KCPSHIM_CRYPTO", "none", 1);
	setenv("KCPSHIM_LOG", "debug:/tmp/x:y", 1);
	setenv("KCPSHIM_ENGINE", "thread", 1);
	setenv("KCPSHIM_RULES_TEXT", "kcp any *:1 mode=fast3 send_window_size=99\nkcp any *:2", 1);
	load_ok(&c);
	ck_assert_int_eq(c.log_level, CONFIG_LOG_DEBUG);
	ck_assert_str_eq(c.log_file, "/tmp/x:y");
	ck_assert(!c.engine_process);
	ck_assert_int_eq(match(&c, 1, &o), RULES_KCP);
	ck_assert(o.mode == RULES_MODE_FAST3 && o.send_window_size == 99);
	ck_assert(o.no_delay && o.no_congestion_control && o.stream && o.update_interval == 20 && o.resend_count == 2);
	ck_assert(o.receive_window_size == 256 && o.max_transmission == 1300 && o.timeout == 60);
	ck_assert(o.wire == RULES_WIRE_PLAIN && o.crypto == RULES_CRYPTO_NONE);
	ck_assert_int_eq(match(&c, 2, &o), RULES_KCP);
	ck_assert(o.mode == RULES_MODE_FAST && o.send_window_size == 64);
	config_dispose(&c);
}
END_TEST

START_TEST(key_file_permissions)
{
	static const struct { mode_t mode; bool ok; } modes[] = {
		{ 0600, true }, { 0400, true }, { 0700, true }, { 0640, false }, { 0604, false }, { 0660, false }, { 0644, false },
		{ 0601, false },
	};
	char want[400];

	setenv("KCPSHIM_RULES_TEXT", "kcp any *:1 crypto=aes-cbc wire=plain salt=x", 1);
	setenv("KCPSHIM_KEY_FILE", "key", 1);
	for (size_t i = 0; i < N(modes); i++) {
		put("key", "secret\n", modes[i].mode);
		if (modes[i].ok) {
			load_good();
			continue;
		}
		snprintf(want, sizeof(want), "KCPSHIM_RULES_TEXT:1: %s/key: permissions %04o are too open, use chmod 600",
		    dir, (unsigned)modes[i].mode);
		load_fails(want);
	}
	put("key", "", 0600);
	snprintf(want, sizeof(want), "KCPSHIM_RULES_TEXT:1: %s/key: is empty", dir);
	load_fails(want);
	remove("key");
	snprintf(want, sizeof(want), "KCPSHIM_RULES_TEXT:1: %s/key: No such file or directory", dir);
	load_fails(want);
	/* What the engine would cut is refused. */
	snprintf(want, sizeof(want), "%0257d", 0);
	put("key", want, 0600);
	snprintf(want, sizeof(want), "KCPSHIM_RULES_TEXT:1: %s/key: larger than 256 bytes", dir);
	load_fails(want);
}
END_TEST

START_TEST(key_file_of_another_owner)
{
	char want[200];

	if (geteuid() != 0)
		return; /* only root can give a file away */
	put("key", "secret\n", 0640);
	ck_assert_int_eq(chown("key", 12345, 0), 0);
	setenv("KCPSHIM_RULES_TEXT", "kcp any *:1 crypto=aes-cbc wire=plain salt=x", 1);
	setenv("KCPSHIM_KEY_FILE", "key", 1);
	load_good();
	ck_assert_int_eq(chmod("key", 0644), 0);
	snprintf(want, sizeof(want), "KCPSHIM_RULES_TEXT:1: %s/key: permissions 0644 are too open, use chmod 600", dir);
	load_fails(want);
}
END_TEST

START_TEST(unreadable_files)
{
	char want[200];

	put("key", "secret\n", 0000);
	put("rules", "kcp any *:1\n", 0000);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(12345, 12345, 0), 0);
	setenv("KCPSHIM_KEY_FILE", "key", 1);
	snprintf(want, sizeof(want), "environment: %s/key: Permission denied", dir);
	load_fails(want);
	unsetenv("KCPSHIM_KEY_FILE");
	setenv("KCPSHIM_RULES", "rules", 1);
	load_fails("rules: Permission denied");
	if (getuid() == 12345)
		ck_assert_int_eq(setresuid(0, 0, 0), 0);
}
END_TEST

START_TEST(key_file_contents)
{
	static const struct { const char *text; bool ok; } files[] = {
		{ "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n", true },
		{ "one AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\ntwo pbkdf2:pass phrase\n", true },
		{ "one AAAA\n", false }, { "# nothing\n", false }, { "password\n", false },
	};

	setenv("KCPSHIM_KEY_FILE", "key", 1);
	for (size_t i = 0; i < N(files); i++) {
		struct config c;
		int rc;

		put("key", files[i].text, 0600);
		if (files[i].ok) {
			load_good();
			continue;
		}
		rc = config_load(&c, false, err, sizeof(err));
		ck_assert_msg(rc != KCPSHIM_OK, "%s: accepted", files[i].text);
		ck_assert_ptr_nonnull(strstr(err, "/key"));
	}
}
END_TEST

START_TEST(key_file_stays_the_same_after_chdir)
{
	struct rules_options o;
	struct config c;
	char want[400];

	put("key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n", 0600);
	setenv("KCPSHIM_KEY_FILE", "key", 1);
	setenv("KCPSHIM_RULES_TEXT", "kcp any *:1", 1);
	load_good();
	/* A rule that leaves the key aside shows its name all the same. */
	setenv("KCPSHIM_RULES_TEXT", "kcp any *:1 crypto=none", 1);
	load_ok(&c);
	ck_assert_int_eq(match(&c, 1, &o), RULES_KCP);
	snprintf(want, sizeof(want), "%s/key", dir);
	ck_assert_str_eq(o.key_file, want);
	config_dispose(&c);
	memset(want, 'k', 250);
	want[250] = '\0';
	setenv("KCPSHIM_KEY_FILE", want, 1);
	ck_assert_int_lt(config_load(&c, false, err, sizeof(err)), 0);
	ck_assert_ptr_nonnull(strstr(err, "needs an absolute path of at most 255 bytes"));
}
END_TEST

START_TEST(check_reads_one_file_only)
{
	struct rules_entry e;
	struct config c;

	setenv("KCPSHIM_PORTS", "5", 1);
	setenv("KCPSHIM_MODE", "fast", 1);
	put("rules", "kcp any *:1\n", 0644);
	ck_assert_int_eq(config_load_file(&c, "rules", err, sizeof(err)), KCPSHIM_OK);
	ck_assert_uint_eq(rules_count(c.rules), 1);
	ck_assert(rules_entry(c.rules, 0, &e) && strcmp(e.name, "rules") == 0);
	ck_assert_int_eq(c.base.mode, RULES_MODE_FAST);
	config_dispose(&c);
	ck_assert_int_lt(config_load_file(&c, "missing", err, sizeof(err)), 0);
	ck_assert_str_eq(err, "missing: No such file or directory");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config");
	TCase *c = tcase_create("config");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 0);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, nothing_set_is_inactive);
	tcase_add_test(c, rules_file_places);
	tcase_add_test(c, named_file_must_be_there);
	tcase_add_test(c, file_errors_name_file_and_line);
	tcase_add_test(c, too_large_a_file_is_refused);
	tcase_add_test(c, command_line_goes_before_the_file);
	tcase_add_test(c, program_decides_activity);
	tcase_add_test(c, secure_mode_ignores_everything);
	tcase_add_loop_test(c, bad_variables, 0, (int)N(bad));
	tcase_add_loop_test(c, combinations, 0, (int)N(combos));
	tcase_add_test(c, environment_is_the_base_of_every_rule);
	tcase_add_test(c, key_file_permissions);
	tcase_add_test(c, key_file_of_another_owner);
	tcase_add_test(c, unreadable_files);
	tcase_add_test(c, key_file_contents);
	tcase_add_test(c, key_file_stays_the_same_after_chdir);
	tcase_add_test(c, check_reads_one_file_only);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_set_fork_status(r, CK_FORK);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
