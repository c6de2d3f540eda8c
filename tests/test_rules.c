#include <arpa/inet.h>
#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/rules.h"
#include "checkmain.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct rules *
parse_ok(const char *text)
{
	char err[RULES_ERRLEN] = "";
	struct rules *t = NULL;
	int rc = rules_parse(&t, "t", text, strlen(text), err);

	ck_assert_msg(rc == KCPSHIM_OK, "\"%s\": %s", text, err);
	ck_assert_ptr_nonnull(t);
	return t;
}

/* "1.2.3.4" or "2001:db8::1" and a port */
static struct netaddr
address(const char *ip, uint16_t port)
{
	struct netaddr a = { .family = strchr(ip, ':') != NULL ? 6 : 4, .port = port };

	ck_assert_int_eq(inet_pton(a.family == 6 ? AF_INET6 : AF_INET, ip, a.ip), 1);
	return a;
}

static enum rules_action
match(const struct rules *t, const char *program, enum rules_role role, const char *ip, uint16_t port)
{
	struct netaddr a = address(ip, port);

	return rules_match(t, program, role, &a, NULL);
}

/* --- what is accepted, and its normal form --- */

static const struct { const char *text, *normal; } good[] = {
	{ "", NULL },
	{ "\n\n", NULL },
	{ "# nothing\n   # here\n\t\n", NULL },
	{ "kcp any *:8080", "kcp any *:8080" },
	{ "kcp listen *:8080\n", "kcp listen *:8080" },
	{ "  kcp\tconnect   *:*  ", "kcp connect *:*" },
	{ "kcp any *:1-65535", "kcp any *:*" },
	{ "kcp any *:8080 # web", "kcp any *:8080" },
	{ "kcp any *:8080\r\n", "kcp any *:8080" },
	{ "kcp \\\n any \\\n *:8080", "kcp any *:8080" },
	{ "kcp any *:8080 \\\r\n mode=fast", "kcp any *:8080 mode=fast" },
	{ "kcp any\\\n *:8080", "kcp any *:8080" },
	{ "tcp any 127.0.0.0/8:*", "tcp any 127.0.0.0/8:*" },
	{ "tcp any 10.1.2.3/8:*", "tcp any 10.0.0.0/8:*" },
	{ "tcp any 10.255.255.255/31:1", "tcp any 10.255.255.254/31:1" },
	{ "tcp any 0.0.0.0/0:1", "tcp any 0.0.0.0/0:1" },
	{ "tcp any 192.0.2.1:1", "tcp any 192.0.2.1:1" },
	{ "tcp any 192.0.2.1/32:1", "tcp any 192.0.2.1:1" },
	{ "kcp connect [2001:db8::]/32:6379,7000-7010", "kcp connect [2001:db8::]/32:6379,7000-7010" },
	{ "kcp connect [2001:DB8:0::1]:6379", "kcp connect [2001:db8::1]:6379" },
	{ "kcp connect [2001:db8:ffff::]/33:6379", "kcp connect [2001:db8:8000::]/33:6379" },
	{ "kcp connect [::]:1", "kcp connect [::]:1" },
	{ "kcp connect [::]/0:1", "kcp connect [::]/0:1" },
	{ "kcp connect [::1]/128:1", "kcp connect [::1]:1" },
	{ "kcp connect [::ffff:10.0.0.0]/104:1", "kcp connect 10.0.0.0/8:1" },
	{ "kcp connect [::ffff:192.0.2.1]:1", "kcp connect 192.0.2.1:1" },
	{ "kcp connect [::ffff:0:0]/96:1", "kcp connect 0.0.0.0/0:1" },
	{ "kcp connect [::ffff:0:0]/95:1", "kcp connect [::fffe:0:0]/95:1" },
	{ "kcp any *:3,1,2", "kcp any *:1-3" },
	{ "kcp any *:5-9,1-3,2-5", "kcp any *:1-9" },
	{ "kcp any *:5,5,5", "kcp any *:5" },
	{ "kcp any *:9,7", "kcp any *:7,9" },
	{ "kcp any *:65535", "kcp any *:65535" },
	{ "kcp any *:65535,1-65534", "kcp any *:*" },
	{ "kcp any *:00080", "kcp any *:80" },
	{ "auto any 10.0.0.0/8:*", "auto any 10.0.0.0/8:*" },
	{ "tcp any *:* program=ssh", "tcp any *:* program=ssh" },
	{ "kcp any *:1 mode=fast program=nginx*", "kcp any *:1 program=nginx* mode=fast" },
	{ "kcp any *:1 program=[a-z]?[!x]*", "kcp any *:1 program=[a-z]?[!x]*" },
	{ "kcp any *:1 program=[]]x", "kcp any *:1 program=[]]x" },
	{ "kcp any *:1 wire=plain crypto=none", "kcp any *:1 wire=plain crypto=none" },
	{ "kcp any *:1 crypto=none wire=plain", "kcp any *:1 wire=plain crypto=none" },
	{ "kcp any *:1 crypto=plugin:/lib/x.so", "kcp any *:1 crypto=plugin:/lib/x.so" },
	{ "kcp any *:1 crypto=aes-cbc", "kcp any *:1 crypto=aes-cbc" },
	{ "kcp any *:1 key_file=/etc/kcpshim/key", "kcp any *:1 key_file=/etc/kcpshim/key" },
	{ "kcp any *:1 key=a#b=c salt=d", "kcp any *:1 key=*** salt=***" },
	{ "kcp any *:1 salt_file=/s", "kcp any *:1 salt_file=/s" },
	{ "kcp any *:1 no_delay=yes stream=no redundancy=on no_congestion_control=false",
	    "kcp any *:1 no_delay=1 no_congestion_control=0 stream=0 redundancy=1" },
	{ "kcp any *:1 update_interval=10 resend_count=0 timeout=0 keepalive=0 udp_port=0 rate=0",
	    "kcp any *:1 update_interval=10 resend_count=0 timeout=0 rate=0 udp_port=0 keepalive=0" },
	{ "kcp any *:1 update_interval=5000 resend_count=255 udp_port=65535 keepalive=32767 timeout=31536000",
	    "kcp any *:1 update_interval=5000 resend_count=255 timeout=31536000 udp_port=65535 keepalive=32767" },
	{ "kcp any *:1 send_window_size=1 receive_window_size=65535 max_transmission=50",
	    "kcp any *:1 send_window_size=1 receive_window_size=65535 max_transmission=50" },
	{ "kcp any *:1 rate=5M", "kcp any *:1 rate=5000000" },
	{ "kcp any *:1 rate=12k", "kcp any *:1 rate=12000" },
	{ "kcp any *:1 rate=1000G", "kcp any *:1 rate=1000000000000" },
	{ "kcp any *:1 fec=10:3", "kcp any *:1 fec=10:3" },
	{ "kcp any *:1 fec=auto", "kcp any *:1 fec=auto" },
	{ "kcp any *:1 cc=none open=empty-push fec=off", "kcp any *:1 cc=none open=empty-push fec=off" },
	{ "kcp any *:1 mode=aiokcp", "kcp any *:1 mode=aiokcp" },
};

START_TEST(good_rules)
{
	struct rules *t = parse_ok(good[_i].text), *again;
	char buf[512];

	if (good[_i].normal == NULL) {
		ck_assert_uint_eq(rules_count(t), 0);
		rules_free(t);
		return;
	}
	ck_assert_uint_eq(rules_count(t), 1);
	ck_assert_uint_eq(rules_format(t, 0, buf, sizeof(buf)), strlen(good[_i].normal));
	ck_assert_str_eq(buf, good[_i].normal);
	again = parse_ok(buf);
	rules_format(again, 0, buf, sizeof(buf));
	ck_assert_str_eq(buf, good[_i].normal);
	rules_free(again);
	rules_free(t);
}
END_TEST

/* --- what is refused, and how --- */

static const struct { const char *text, *error; } bad[] = {
	{ "udp any *:1", "t:1: \"udp\" is not an action (kcp, tcp, auto)" },
	{ "KCP any *:1", "t:1: \"KCP\" is not an action (kcp, tcp, auto)" },
	{ "kcp", "t:1: the role is missing: a rule is ACTION ROLE ADDRESS:PORTS [OPTION]..." },
	{ "kcp # any *:1", "t:1: the role is missing: a rule is ACTION ROLE ADDRESS:PORTS [OPTION]..." },
	{ "kcp both *:1", "t:1: \"both\" is not a role (listen, connect, any)" },
	{ "kcp any", "t:1: the address is missing: a rule is ACTION ROLE ADDRESS:PORTS [OPTION]..." },
	{ "\n\nkcp any", "t:3: the address is missing: a rule is ACTION ROLE ADDRESS:PORTS [OPTION]..." },
	{ "kcp any *", "t:1: \"*\" has no :PORTS behind the address" },
	{ "kcp any 8080", "t:1: \"8080\" has no :PORTS behind the address" },
	{ "kcp any [::1]", "t:1: \"[::1]\" has no :PORTS behind the address" },
	{ "kcp any [::1:80", "t:1: \"[::1:80\" has a [ without its ]" },
	{ "kcp any *:", "t:1: \"\" is not a port (1 to 65535)" },
	{ "kcp any *:0", "t:1: \"0\" is not a port (1 to 65535)" },
	{ "kcp any *:65536", "t:1: \"65536\" is not a port (1 to 65535)" },
	{ "kcp any *:99999999999999999999999", "t:1: \"99999999999999999999999\" is not a port (1 to 65535)" },
	{ "kcp any *:http", "t:1: \"http\" is not a port (1 to 65535)" },
	{ "kcp any *:-1", "t:1: \"-1\" is not a port (1 to 65535)" },
	{ "kcp any *:+1", "t:1: \"+1\" is not a port (1 to 65535)" },
	{ "kcp any *:80,", "t:1: \"\" is not a port (1 to 65535)" },
	{ "kcp any *:,80", "t:1: \"\" is not a port (1 to 65535)" },
	{ "kcp any *:80,*", "t:1: \"*\" is not a port (1 to 65535)" },
	{ "kcp any *:80:81", "t:1: \"80:81\" is not a port (1 to 65535)" },
	{ "kcp any *:1-", "t:1: \"1-\" is not a range of ports (1 to 65535)" },
	{ "kcp any *:1-2-3", "t:1: \"1-2-3\" is not a range of ports (1 to 65535)" },
	{ "kcp any *:1-70000", "t:1: \"1-70000\" is not a range of ports (1 to 65535)" },
	{ "kcp any *:0-5", "t:1: \"0-5\" is not a port (1 to 65535)" },
	{ "kcp any *:9000-8000", "t:1: \"9000-8000\" is upside down: the first port is above the last" },
	{ "kcp any *:1,2,9-8", "t:1: \"9-8\" is upside down: the first port is above the last" },
	{ "kcp any localhost:80",
	    "t:1: \"localhost\" is not an IPv4 address (names are not looked up; IPv6 is written in [ ])" },
	{ "kcp any 2001:db8::1:80",
	    "t:1: \"2001\" is not an IPv4 address (names are not looked up; IPv6 is written in [ ])" },
	{ "kcp any :80", "t:1: \"\" is not an IPv4 address (names are not looked up; IPv6 is written in [ ])" },
	{ "kcp any 1.2.3:80", "t:1: \"1.2.3\" is not an IPv4 address (names are not looked up; IPv6 is written in [ ])" },
	{ "kcp any 1.2.3.256:80",
	    "t:1: \"1.2.3.256\" is not an IPv4 address (names are not looked up; IPv6 is written in [ ])" },
	{ "kcp any 1.2.3.4/33:80", "t:1: \"1.2.3.4/33\" has a bad prefix length (0 to 32)" },
	{ "kcp any 1.2.3.4/:80", "t:1: \"1.2.3.4/\" has a bad prefix length (0 to 32)" },
	{ "kcp any 1.2.3.4/-1:80", "t:1: \"1.2.3.4/-1\" has a bad prefix length (0 to 32)" },
	{ "kcp any 1.2.3.4/8/8:80", "t:1: \"1.2.3.4/8/8\" has a bad prefix length (0 to 32)" },
	{ "kcp any 10.0.0.0/255.0.0.0:80", "t:1: \"10.0.0.0/255.0.0.0\" has a bad prefix length (0 to 32)" },
	{ "kcp any */8:80", "t:1: \"*\" is not an IPv4 address (names are not looked up; IPv6 is written in [ ])" },
	{ "kcp any [::1]/129:80", "t:1: \"[::1]/129\" has a bad prefix length (0 to 128)" },
	{ "kcp any [1.2.3.4]:80", "t:1: \"1.2.3.4\" is not an IPv6 address" },
	{ "kcp any [fe80::1%eth0]:80", "t:1: \"fe80::1%eth0\" is not an IPv6 address" },
	{ "kcp any []:80", "t:1: \"\" is not an IPv6 address" },
	{ "kcp any [::1]x:80", "t:1: \"[::1]x\" has a [ without its ]" },
	{ "kcp any *:1 fast", "t:1: \"fast\" is not an option (NAME=VALUE)" },
	{ "kcp any *:1 =fast", "t:1: unknown option \"\"" },
	{ "kcp any *:1 speed=9", "t:1: unknown option \"speed\"" },
	{ "kcp any *:1 MODE=fast", "t:1: unknown option \"MODE\"" },
	{ "kcp any *:1 mode=fsat",
	    "t:1: mode=fsat is not one of auto, normal, fast, fast2, fast3, aiokcp" },
	{ "kcp any *:1 mode=", "t:1: mode= is not one of auto, normal, fast, fast2, fast3, aiokcp" },
	{ "kcp any *:1 mode=fast mode=fast", "t:1: option \"mode\" is given twice" },
	{ "kcp any *:1 program=a program=b", "t:1: option \"program\" is given twice" },
	{ "kcp any *:1 program=", "t:1: \"program=\" needs a pattern for a program's base name, without /" },
	{ "kcp any *:1 program=/bin/x",
	    "t:1: \"program=/bin/x\" needs a pattern for a program's base name, without /" },
	{ "kcp any *:1 program=[a", "t:1: \"program=[a\" has a [ without its ]" },
	{ "kcp any *:1 program=[]", "t:1: \"program=[]\" has a [ without its ]" },
	{ "kcp any *:1 wire=udp", "t:1: wire=udp is not one of session, plain" },
	{ "kcp any *:1 crypto=rot13",
	    "t:1: crypto=rot13 is not one of auto, none, aead, aes-cbc, plugin:PATH" },
	{ "kcp any *:1 crypto=plugin:x.so", "t:1: crypto=plugin: needs an absolute path of at most 255 bytes" },
	{ "kcp any *:1 crypto=plugin:PATH", "t:1: crypto=plugin: needs an absolute path of at most 255 bytes" },
	{ "kcp any *:1 crypto=plugin",
	    "t:1: crypto=plugin is not one of auto, none, aead, aes-cbc, plugin:PATH" },
	{ "kcp any *:1 no_delay=2",
	    "t:1: no_delay=2 is not one of 0, 1, no, yes, off, on, false, true" },
	{ "kcp any *:1 update_interval=9", "t:1: update_interval=9 is not a number from 10 to 5000" },
	{ "kcp any *:1 update_interval=5001", "t:1: update_interval=5001 is not a number from 10 to 5000" },
	{ "kcp any *:1 update_interval=10ms", "t:1: update_interval=10ms is not a number from 10 to 5000" },
	{ "kcp any *:1 update_interval=", "t:1: update_interval= is not a number from 10 to 5000" },
	{ "kcp any *:1 send_window_size=0", "t:1: send_window_size=0 is not a number from 1 to 65535" },
	{ "kcp any *:1 send_window_size=65536", "t:1: send_window_size=65536 is not a number from 1 to 65535" },
	{ "kcp any *:1 send_window_size=0x10", "t:1: send_window_size=0x10 is not a number from 1 to 65535" },
	{ "kcp any *:1 receive_window_size=-1", "t:1: receive_window_size=-1 is not a number from 1 to 65535" },
	{ "kcp any *:1 max_transmission=49", "t:1: max_transmission=49 is not a number from 50 to 65000" },
	{ "kcp any *:1 resend_count=18446744073709551616",
	    "t:1: resend_count=18446744073709551616 is not a number from 0 to 255" },
	{ "kcp any *:1 rate=1T", "t:1: rate=1T is not a number from 0 to 1000000000000" },
	{ "kcp any *:1 rate=1001G", "t:1: rate=1001G is not a number from 0 to 1000000000000" },
	{ "kcp any *:1 rate=k", "t:1: rate=k is not a number from 0 to 1000000000000" },
	{ "kcp any *:1 udp_port=65536", "t:1: udp_port=65536 is not a number from 0 to 65535" },
	{ "kcp any *:1 cc=bbr", "t:1: cc=bbr is not one of auto, kcp, none" },
	{ "kcp any *:1 open=1", "t:1: open=1 is not one of none, empty-push" },
	{ "kcp any *:1 fec=10+3", "t:1: fec=10+3 is not one of off, auto, K:M" },
	{ "kcp any *:1 fec=65:3", "t:1: fec=65:3 is not one of off, auto, K:M" },
	{ "kcp any *:1 fec=10:0", "t:1: fec=10:0 is not one of off, auto, K:M" },
	{ "kcp any *:1 engine=process",
	    "t:1: engine= is for the whole process: set KCPSHIM_ENGINE, or use kcprun -o" },
	{ "kcp any *:1 key=", "t:1: key must have 1 to 127 bytes" },
	{ "kcp any *:1 key_file=", "t:1: key_file must have 1 to 255 bytes" },
	{ "tcp any *:1 mode=fast", "t:1: option \"mode\" has no effect in a tcp rule" },
	{ "kcp any *:1\nkcp any *:2\n\nkcp any *:x\n", "t:4: \"x\" is not a port (1 to 65535)" },
	{ "kcp any *:1 \\\n mode=fast \\\n speed=1", "t:3: unknown option \"speed\"" },
	{ "kcp any *:1 # \\\nspeed", "t:2: \"speed\" is not an action (kcp, tcp, auto)" },
	{ "kcp any *:1 mode=fast \\ \n rate=1",
	    "t:1: \"\\\" ends in a backslash, which continues a line only at its very end" },
	{ "kcp any *:1 program=x\\ rate=1",
	    "t:1: \"program=x\\\" ends in a backslash, which continues a line only at its very end" },
	{ "kcp \\", "t:1: \"\\\" is not a role (listen, connect, any)" },
	{ "k\033[31mp any *:1", "t:1: \"k?[31mp\" is not an action (kcp, tcp, auto)" },
};

START_TEST(bad_rules)
{
	char err[RULES_ERRLEN] = "";
	struct rules *t = (struct rules *)err;
	int rc = rules_parse(&t, "t", bad[_i].text, strlen(bad[_i].text), err);

	ck_assert_int_eq(rc, KCPSHIM_E_FORMAT);
	ck_assert_ptr_null(t);
	ck_assert_str_eq(err, bad[_i].error);
}
END_TEST

START_TEST(binary_and_overlong_text_is_refused)
{
	char err[RULES_ERRLEN], text[4096], name[600];
	struct rules *t;

	ck_assert_int_eq(rules_parse(&t, "f", "\nkcp\0", 5, err), KCPSHIM_E_FORMAT);
	ck_assert_str_eq(err, "f:2: a NUL byte: this is not a text file");
	strcpy(text, "kcp any *:1 key=");
	memset(text + strlen(text), 'x', 2000);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(rules_parse(&t, name, text, 2000, err), KCPSHIM_E_FORMAT);
	ck_assert_uint_lt(strlen(err), RULES_ERRLEN);
	ck_assert_ptr_nonnull(strstr(err, "is too long"));
	snprintf(text, sizeof(text), "kcp any *:1 key=%0127d", 0);
	rules_free(parse_ok(text));
	snprintf(text, sizeof(text), "kcp any *:1 key=%0128d", 0);
	ck_assert_int_eq(rules_parse(&t, "f", text, strlen(text), err), KCPSHIM_E_FORMAT);
	ck_assert_str_eq(err, "f:1: key must have 1 to 127 bytes");
}
END_TEST

/* --- matching --- */

static const char *const table =
    "tcp any 127.0.0.0/8:*\n"
    "kcp listen *:8080 program=nginx*\n"
    "tcp any *:8080\n"
    "kcp connect [2001:db8::]/32:6379,7000-7010\n"
    "kcp any 10.0.0.0/9:1-1000\n"
    "kcp listen [::]:9000\n"
    "kcp listen 0.0.0.0:9001\n"
    "kcp listen 0.0.0.0/0:9002\n"
    "kcp listen [::]/0:9003\n"
    "kcp any 192.0.2.77:22 \n";

static const struct { const char *program; enum rules_role role; const char *ip; uint16_t port; bool kcp; } matches[] = {
	{ "nginx", RULES_LISTEN, "0.0.0.0", 8080, true },
	{ "nginx-debug", RULES_LISTEN, "::", 8080, true },
	{ "nginx", RULES_LISTEN, "127.0.0.1", 8080, false },
	{ "nginx", RULES_LISTEN, "::ffff:127.0.0.1", 8080, false },
	{ "nginx", RULES_CONNECT, "192.0.2.1", 8080, false },
	{ "xnginx", RULES_LISTEN, "0.0.0.0", 8080, false },
	{ "a", RULES_CONNECT, "2001:db8::1", 6379, true },
	{ "a", RULES_CONNECT, "2001:db8:ffff::1", 7000, true },
	{ "a", RULES_CONNECT, "2001:db8::1", 7010, true },
	{ "a", RULES_CONNECT, "2001:db8::1", 7011, false },
	{ "a", RULES_CONNECT, "2001:db8::1", 6999, false },
	{ "a", RULES_CONNECT, "2001:db9::1", 6379, false },
	{ "a", RULES_LISTEN, "2001:db8::1", 6379, false },
	{ "a", RULES_CONNECT, "10.127.255.255", 1000, true },
	{ "a", RULES_CONNECT, "10.128.0.0", 1000, false },
	{ "a", RULES_LISTEN, "10.0.0.1", 1, true },
	{ "a", RULES_CONNECT, "::ffff:10.1.2.3", 80, true },
	{ "a", RULES_CONNECT, "::10.1.2.3", 80, false },
	{ "a", RULES_LISTEN, "::", 9000, true },
	{ "a", RULES_LISTEN, "::1", 9000, false },
	{ "a", RULES_LISTEN, "0.0.0.0", 9000, false },
	{ "a", RULES_LISTEN, "0.0.0.0", 9001, true },
	{ "a", RULES_LISTEN, "::", 9001, false },
	{ "a", RULES_LISTEN, "192.0.2.1", 9001, false },
	{ "a", RULES_LISTEN, "0.0.0.0", 9002, true },
	{ "a", RULES_LISTEN, "192.0.2.1", 9002, true },
	{ "a", RULES_LISTEN, "::ffff:0.0.0.0", 9002, true },
	{ "a", RULES_LISTEN, "::", 9002, false },
	{ "a", RULES_LISTEN, "::", 9003, true },
	{ "a", RULES_LISTEN, "::1", 9003, true },
	{ "a", RULES_LISTEN, "0.0.0.0", 9003, false },
	{ "a", RULES_CONNECT, "192.0.2.77", 22, true },
	{ "a", RULES_CONNECT, "192.0.2.76", 22, false },
	{ "a", RULES_CONNECT, "192.0.2.77", 23, false },
};

START_TEST(first_match_decides)
{
	struct rules *t = parse_ok(table);

	ck_assert_int_eq(match(t, matches[_i].program, matches[_i].role, matches[_i].ip, matches[_i].port),
	    matches[_i].kcp ? RULES_KCP : RULES_TCP);
	rules_free(t);
}
END_TEST

static const struct { const char *glob, *text; bool hit; } globs[] = {
	{ "*", "", true }, { "*", "x", true }, { "a", "a", true }, { "a", "ab", false }, { "ab", "a", false },
	{ "?", "a", true }, { "?", "", false }, { "??", "a", false }, { "a*", "a", true }, { "*a", "bca", true },
	{ "*a", "ab", false }, { "a*b*c", "axxbyyc", true }, { "a*b*c", "axxbyy", false }, { "*ab*", "aab", true },
	{ "[ab]", "b", true }, { "[ab]", "c", false }, { "[!ab]", "c", true }, { "[!ab]", "a", false },
	{ "[^ab]", "c", true }, { "[a-c]x", "bx", true }, { "[a-c]", "d", false }, { "[]a]", "]", true },
	{ "[!]]", "a", true }, { "[!]]", "]", false }, { "[a-]", "-", true }, { "x[0-9]*", "x7y", true },
	{ "python3*", "python3.11", true }, { "*[0-9]", "abc", false }, { "*?", "", false }, { "**", "x", true },
	{ "[a]", "", false },
};

START_TEST(program_globs)
{
	char text[64];
	struct rules *t;

	snprintf(text, sizeof(text), "kcp any *:1 program=%s", globs[_i].glob);
	t = parse_ok(text);
	ck_assert_int_eq(match(t, globs[_i].text, RULES_LISTEN, "0.0.0.0", 1), globs[_i].hit ? RULES_KCP : RULES_TCP);
	ck_assert_int_eq(rules_relevant(t, globs[_i].text), globs[_i].hit);
	rules_free(t);
}
END_TEST

START_TEST(options_come_with_the_match)
{
	struct rules *t = parse_ok("kcp any *:1 mode=fast2 send_window_size=77\nkcp any *:2\n");
	struct netaddr a = address("192.0.2.1", 1);
	struct rules_options o = { .set = 0xffff };

	ck_assert_int_eq(rules_match(t, "p", RULES_CONNECT, &a, &o), RULES_KCP);
	ck_assert_uint_eq(o.set, 1u << RULES_OPT_MODE | 1u << RULES_OPT_SEND_WINDOW_SIZE);
	ck_assert_int_eq(o.mode, RULES_MODE_FAST2);
	ck_assert_uint_eq(o.send_window_size, 77);
	a.port = 2;
	o.set = 0xffff;
	ck_assert_int_eq(rules_match(t, "p", RULES_CONNECT, &a, &o), RULES_KCP);
	ck_assert_uint_eq(o.set, 0);
	a.port = 3;
	o.set = 0xffff;
	ck_assert_int_eq(rules_match(t, "p", RULES_CONNECT, &a, &o), RULES_TCP);
	ck_assert_uint_eq(o.set, 0);
	ck_assert_int_eq(rules_match(NULL, "p", RULES_CONNECT, &a, &o), RULES_TCP);
	rules_free(t);
}
END_TEST

static const struct { const char *text; bool relevant; } relevance[] = {
	{ "", false },
	{ "tcp any *:*", false },
	{ "kcp any *:1", true },
	{ "auto any *:1", true },
	{ "kcp any *:1 program=q", false },
	{ "kcp any *:1 program=q\nkcp connect *:2 program=[op]", true },
	{ "tcp any *:*\nkcp any *:1", false },
	{ "tcp any *:* program=p\nkcp any *:1", false },
	{ "tcp any *:* program=q\nkcp any *:1", true },
	{ "tcp listen *:*\nkcp any *:1", true },
	{ "tcp any *:2-65535\nkcp any *:1", true },
	{ "tcp any 0.0.0.0/0:*\nkcp any *:1", true },
};

START_TEST(relevance_for_a_program)
{
	struct rules *t = parse_ok(relevance[_i].text);

	ck_assert_int_eq(rules_relevant(t, "p"), relevance[_i].relevant);
	ck_assert(!rules_relevant(NULL, "p"));
	rules_free(t);
}
END_TEST

/* --- KCPSHIM_PORTS and appending --- */

START_TEST(ports_become_rules)
{
	static const struct { const char *text, *normal, *error; } cases[] = {
		{ "8080", "kcp any *:8080", NULL },
		{ "8080,9000-9100", "kcp any *:8080,9000-9100", NULL },
		{ "*", "kcp any *:*", NULL },
		{ "", NULL, "E: \"\" is not a port (1 to 65535)" },
		{ "0", NULL, "E: \"0\" is not a port (1 to 65535)" },
		{ "9100-9000", NULL, "E: \"9100-9000\" is upside down: the first port is above the last" },
		{ "80 81", NULL, "E: \"80 81\" is not a port (1 to 65535)" },
	};

	for (size_t i = 0; i < N(cases); i++) {
		char err[RULES_ERRLEN], buf[128];
		struct rules *t = NULL;
		int rc = rules_parse_ports(&t, "E", cases[i].text, err);

		if (cases[i].error != NULL) {
			ck_assert_int_eq(rc, KCPSHIM_E_FORMAT);
			ck_assert_str_eq(err, cases[i].error);
			ck_assert_ptr_null(t);
			continue;
		}
		ck_assert_int_eq(rc, KCPSHIM_OK);
		rules_format(t, 0, buf, sizeof(buf));
		ck_assert_str_eq(buf, cases[i].normal);
		rules_free(t);
	}
}
END_TEST

START_TEST(append_keeps_order_and_names)
{
	char err[RULES_ERRLEN];
	struct rules *t = NULL, *b = NULL;
	struct rules_entry e;

	ck_assert_int_eq(rules_append(&t, NULL), KCPSHIM_OK);
	ck_assert_ptr_null(t);
	ck_assert_int_eq(rules_append(&t, parse_ok("tcp any *:5\n\ntcp any *:6\n")), KCPSHIM_OK);
	ck_assert_int_eq(rules_parse_ports(&t, "PORTS", "5-7", err), KCPSHIM_OK);
	ck_assert_int_eq(rules_parse(&b, "/etc/file", "\nauto any *:*", 13, err), KCPSHIM_OK);
	ck_assert_int_eq(rules_append(&t, b), KCPSHIM_OK);
	ck_assert_uint_eq(rules_count(t), 4);
	ck_assert(rules_entry(t, 1, &e) && e.line == 3 && strcmp(e.name, "t") == 0);
	ck_assert(rules_entry(t, 2, &e) && e.line == 1 && strcmp(e.name, "PORTS") == 0);
	ck_assert(rules_entry(t, 3, &e) && e.line == 2 && strcmp(e.name, "/etc/file") == 0);
	ck_assert(e.action == RULES_AUTO && e.role == RULES_ANY && e.opts == NULL);
	ck_assert(!rules_entry(t, 4, &e));
	ck_assert_int_eq(match(t, "p", RULES_LISTEN, "::", 5), RULES_TCP);
	ck_assert_int_eq(match(t, "p", RULES_LISTEN, "::", 7), RULES_KCP);
	ck_assert_int_eq(match(t, "p", RULES_LISTEN, "::", 8), RULES_AUTO);
	rules_free(t);
}
END_TEST

/* --- options --- */

static void
set(struct rules_options *o, const char *name, const char *value)
{
	char err[RULES_ERRLEN] = "";

	ck_assert_msg(rules_option_parse(o, name, value, err, sizeof(err)) == KCPSHIM_OK, "%s", err);
}

START_TEST(merge_replaces_what_is_set)
{
	struct rules_options base = { 0 }, over = { 0 };

	set(&base, "mode", "fast");
	set(&base, "rate", "1k");
	set(&base, "key", "secret");
	set(&base, "salt_file", "/s");
	set(&base, "engine", "process");
	set(&over, "mode", "normal");
	set(&over, "key_file", "/k");
	set(&over, "salt", "x");
	set(&over, "crypto", "plugin:/p.so");
	set(&over, "fec", "off");
	rules_options_merge(&base, &over);
	ck_assert_int_eq(base.mode, RULES_MODE_NORMAL);
	ck_assert_uint_eq(base.rate, 1000);
	ck_assert_str_eq(base.key_file, "/k");
	ck_assert_str_eq(base.salt, "x");
	ck_assert_str_eq(base.plugin, "/p.so");
	ck_assert(base.engine_process);
	ck_assert_uint_eq(base.set, 1u << RULES_OPT_MODE | 1u << RULES_OPT_RATE | 1u << RULES_OPT_KEY_FILE |
	    1u << RULES_OPT_SALT | 1u << RULES_OPT_CRYPTO | 1u << RULES_OPT_FEC | 1u << RULES_OPT_ENGINE);
}
END_TEST

/* One valid value, other than the zero of the field where that is possible, for every option. */
static const char *const sample[RULES_OPT_COUNT] = {
	[RULES_OPT_WIRE] = "plain", [RULES_OPT_CRYPTO] = "aes-cbc", [RULES_OPT_MODE] = "fast3",
	[RULES_OPT_KEY_FILE] = "/k", [RULES_OPT_KEY] = "k", [RULES_OPT_SALT] = "s", [RULES_OPT_NO_DELAY] = "1",
	[RULES_OPT_UPDATE_INTERVAL] = "20", [RULES_OPT_RESEND_COUNT] = "2", [RULES_OPT_NO_CONGESTION_CONTROL] = "1",
	[RULES_OPT_SEND_WINDOW_SIZE] = "32", [RULES_OPT_RECEIVE_WINDOW_SIZE] = "128",
	[RULES_OPT_MAX_TRANSMISSION] = "1400", [RULES_OPT_STREAM] = "1", [RULES_OPT_TIMEOUT] = "600",
	[RULES_OPT_HANDSHAKES] = "100", [RULES_OPT_ECN] = "1", [RULES_OPT_CC] = "kcp", [RULES_OPT_RATE] = "125000", [RULES_OPT_REDUNDANCY] = "1",
	[RULES_OPT_OPEN] = "empty-push", [RULES_OPT_UDP_PORT] = "5353", [RULES_OPT_KEEPALIVE] = "75",
	[RULES_OPT_FEC] = "20:4", [RULES_OPT_ENGINE] = "process", [RULES_OPT_SALT_FILE] = "/s",
	[RULES_OPT_THREADS] = "4",
};

START_TEST(every_option_is_parsed_merged_and_printed)
{
	struct rules_options o = { 0 }, into;
	char err[RULES_ERRLEN], value[64];
	enum rules_option opt = (enum rules_option)_i;
	bool secret = opt == RULES_OPT_KEY || opt == RULES_OPT_SALT;

	ck_assert_ptr_nonnull(sample[opt]);
	set(&o, rules_option_name(opt), sample[opt]);
	ck_assert_uint_eq(o.set, 1u << opt);
	memset(&into, 0, sizeof(into));
	rules_options_merge(&into, &o);
	ck_assert_mem_eq(&into, &o, sizeof(o));
	rules_option_value(&into, opt, value, sizeof(value));
	ck_assert_str_eq(value, secret ? "***" : sample[opt]);
	ck_assert_int_eq(rules_option_parse(&o, rules_option_name(opt), sample[opt], err, sizeof(err)), KCPSHIM_E_FORMAT);
	ck_assert_ptr_nonnull(strstr(err, "given twice"));
	ck_assert_ptr_null(rules_option_name(RULES_OPT_COUNT));
}
END_TEST

START_TEST(short_error_buffers_are_respected)
{
	struct rules_options o = { 0 };
	char err[8];

	for (size_t n = 1; n <= sizeof(err); n++) {
		memset(err, 'Z', sizeof(err));
		ck_assert_int_lt(rules_option_parse(&o, "mode", "bad", err, n), 0);
		ck_assert_uint_eq(strlen(err), n - 1);
		for (size_t i = n; i < sizeof(err); i++)
			ck_assert_int_eq(err[i], 'Z');
	}
	ck_assert_uint_eq(o.set, 0);
}
END_TEST

/* --- properties --- */

START_TEST(matching_allocates_nothing)
{
	struct rules *t = parse_ok(table);
	struct mallinfo2 before = mallinfo2(), after;
	struct netaddr a = { .family = 4 };
	struct rules_options o;
	uint32_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		seed = seed * 1664525u + 1013904223u;
		memcpy(a.ip, &seed, 4);
		a.port = (uint16_t)(seed >> 7);
		rules_match(t, i & 1 ? "nginx" : "x", i & 2 ? RULES_LISTEN : RULES_CONNECT, &a, &o);
		rules_relevant(t, "nginx");
	}
	after = mallinfo2();
	ck_assert_uint_eq(before.uordblks, after.uordblks);
	ck_assert_uint_eq(before.arena, after.arena);
	rules_free(t);
}
END_TEST

/* Random words from the grammar: whatever parses has a normal form that parses to the same table. */
START_TEST(normal_form_is_stable)
{
	static const char *const words[] = { "kcp", "tcp", "auto", "any", "listen", "connect", "*:1", "*:*", "10.0.0.0/7:5-9,1",
	    "[::]/3:7", "[::ffff:1.2.3.4]/99:1", "mode=fast", "program=x*", "rate=3k", "#", "\n", "\n", "\\\n", "key=1",
	    "no_delay=on", "bogus", "cc=kcp", "\n", "wire=plain" };
	uint32_t seed = 20240601;
	unsigned parsed = 0;

	for (int round = 0; round < 60000; round++) {
		static const char *const start[] = { "kcp any *:1 ", "tcp connect *:9-10 ", "" };
		char text[512], err[RULES_ERRLEN], a[512], b[512];
		struct rules *t, *u;

		strcpy(text, start[round % 3]);
		for (int n = 0; n < 8; n++) {
			seed = seed * 1664525u + 1013904223u;
			strcat(strcat(text, words[(seed >> 12) % N(words)]), " ");
		}
		if (rules_parse(&t, "t", text, strlen(text), err) != KCPSHIM_OK) {
			ck_assert_ptr_null(strchr(err, '\n'));
			continue;
		}
		parsed++;
		for (size_t i = 0; i < rules_count(t); i++) {
			rules_format(t, i, a, sizeof(a));
			u = parse_ok(a);
			rules_format(u, 0, b, sizeof(b));
			ck_assert_str_eq(a, b);
			rules_free(u);
		}
		rules_free(t);
	}
	ck_assert_uint_gt(parsed, 1000);
}
END_TEST

int
main(void)
{
	TCase *c = tcase_create("rules");

	tcase_add_loop_test(c, good_rules, 0, (int)N(good));
	tcase_add_loop_test(c, bad_rules, 0, (int)N(bad));
	tcase_add_test(c, binary_and_overlong_text_is_refused);
	tcase_add_loop_test(c, first_match_decides, 0, (int)N(matches));
	tcase_add_loop_test(c, program_globs, 0, (int)N(globs));
	tcase_add_test(c, options_come_with_the_match);
	tcase_add_loop_test(c, relevance_for_a_program, 0, (int)N(relevance));
	tcase_add_test(c, ports_become_rules);
	tcase_add_test(c, append_keeps_order_and_names);
	tcase_add_test(c, merge_replaces_what_is_set);
	tcase_add_loop_test(c, every_option_is_parsed_merged_and_printed, 0, RULES_OPT_COUNT);
	tcase_add_test(c, short_error_buffers_are_respected);
	tcase_add_test(c, matching_allocates_nothing);
	tcase_add_test(c, normal_form_is_stable);
	return check_main("rules", c);
}
