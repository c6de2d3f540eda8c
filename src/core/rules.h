/* rules: text -> table -> verdict for (program, role, address, port). kcpshim.rules(5) is the grammar. */
#ifndef KCPSHIM_RULES_H
#define KCPSHIM_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netaddr.h"

struct rules;

enum rules_action { RULES_TCP, RULES_KCP, RULES_AUTO };
enum rules_role { RULES_LISTEN = 1, RULES_CONNECT = 2, RULES_ANY = 3 };

/* Every setting that a rule's options, a -o of kcprun, or an environment variable can make.
 * A field has its "set" bit in `set` (1u << enum rules_option) when given. Units as the user writes them. */
enum rules_option {
	RULES_OPT_WIRE, RULES_OPT_CRYPTO, RULES_OPT_MODE, RULES_OPT_KEY_FILE, RULES_OPT_KEY, RULES_OPT_SALT,
	RULES_OPT_NO_DELAY, RULES_OPT_UPDATE_INTERVAL, RULES_OPT_RESEND_COUNT, RULES_OPT_NO_CONGESTION_CONTROL,
	RULES_OPT_SEND_WINDOW_SIZE, RULES_OPT_RECEIVE_WINDOW_SIZE, RULES_OPT_MAX_TRANSMISSION, RULES_OPT_STREAM,
	RULES_OPT_TIMEOUT, RULES_OPT_CC, RULES_OPT_RATE, RULES_OPT_REDUNDANCY, RULES_OPT_OPEN, RULES_OPT_UDP_PORT,
	RULES_OPT_KEEPALIVE, RULES_OPT_FEC, RULES_OPT_ENGINE, RULES_OPT_SALT_FILE, RULES_OPT_HANDSHAKES, RULES_OPT_ECN,
	RULES_OPT_THREADS,
	RULES_OPT_COUNT
};
enum rules_wire { RULES_WIRE_SESSION, RULES_WIRE_PLAIN };
enum rules_crypto { RULES_CRYPTO_AUTO, RULES_CRYPTO_NONE, RULES_CRYPTO_AEAD, RULES_CRYPTO_AES_CBC, RULES_CRYPTO_PLUGIN };
enum rules_mode { RULES_MODE_AUTO, RULES_MODE_NORMAL, RULES_MODE_FAST, RULES_MODE_FAST2, RULES_MODE_FAST3, RULES_MODE_AIOKCP };
enum rules_fec { RULES_FEC_OFF, RULES_FEC_AUTO, RULES_FEC_FIXED };
enum rules_cc { RULES_CC_AUTO, RULES_CC_KCP, RULES_CC_NONE };

struct rules_options {
	uint32_t set;
	enum rules_wire wire;
	enum rules_crypto crypto;
	enum rules_mode mode;
	enum rules_cc cc;
	char plugin[256];            /* crypto=plugin:PATH */
	char key_file[256], salt_file[256];
	char key[128], salt[128];    /* KCPSHIM_KEY, KCPSHIM_SALT: bytes as given */
	bool no_delay, no_congestion_control, stream, redundancy, open_empty_push, engine_process, ecn;
	uint32_t update_interval;    /* ms, 10..5000 (ikcp's bounds) */
	uint32_t resend_count;
	uint32_t send_window_size, receive_window_size; /* segments, 1..65535 */
	uint32_t max_transmission;   /* bytes of one datagram's KCP part, 50..65000 */
	uint32_t timeout;            /* s, 0 = never */
	uint32_t keepalive;          /* s, 0 = off */
	uint32_t handshakes;         /* a second */
	uint32_t threads;            /* 1..LANE_MAX */
	uint64_t rate;               /* bytes/s, 0 = no cap */
	uint8_t fec;                 /* enum rules_fec */
	uint8_t fec_data, fec_parity; /* RULES_FEC_FIXED: datagrams and parity of a group */
	uint16_t udp_port;           /* 0 = the same number as the TCP port */
};

/* A one-line message: "FILE:LINE: what is wrong", at most this long with NUL. */
#define RULES_ERRLEN 320

/* Parses `len` bytes of rules text. `name` is used in messages. On success *out is a new table owned by the caller
 * (rules_free); on error NULL, KCPSHIM_E_FORMAT or _NOMEM is returned and err holds one line.
 * Allocates with malloc: it runs before the engine exists. */
int rules_parse(struct rules **out, const char *name, const char *text, size_t len, char err[RULES_ERRLEN]);
/* KCPSHIM_PORTS or -p: "8080,9000-9100" appended as "kcp any *:PORTS"; `name` for messages ("KCPSHIM_PORTS"). */
int rules_parse_ports(struct rules **inout, const char *name, const char *ports, char err[RULES_ERRLEN]);
/* Appends `b` behind the rules of `*a` (which may be NULL) and takes ownership of b. */
int rules_append(struct rules **a, struct rules *b);
void rules_free(struct rules *);
/* One NAME=VALUE into *opts (as in a rule line, in -o and, upper-cased with KCPSHIM_ in front, in the environment). */
int rules_option_parse(struct rules_options *opts, const char *name, const char *value, char *err, size_t errlen);

/* First rule that matches; RULES_TCP when none does. *opts (may be NULL) receives the rule's options only.
 * `program` is the program's base name. `role` is RULES_LISTEN or RULES_CONNECT. Async-signal-safe, no allocation. */
enum rules_action rules_match(const struct rules *, const char *program, enum rules_role role,
    const struct netaddr *addr, struct rules_options *opts);
/* Whether any kcp or auto rule could ever match this program: false lets the shim stay wholly native. */
bool rules_relevant(const struct rules *, const char *program);
/* Fields set in `over` replace those of `base`. A key given in either form (key, key_file) replaces one given in the other;
 * the same holds for the salt. */
void rules_options_merge(struct rules_options *base, const struct rules_options *over);

/* One rule of a table, for those who print or check it. Pointers live as long as the table. */
struct rules_entry {
	enum rules_action action;
	enum rules_role role;
	const char *name;                  /* of the text it came from */
	unsigned line;
	const struct rules_options *opts;  /* its own options; NULL: none */
};

/* Number of rules; 0 for NULL. */
size_t rules_count(const struct rules *);
/* Rule `i` (0-based). False behind the last one. */
bool rules_entry(const struct rules *, size_t i, struct rules_entry *);
/* Rule `i` in normal form (one blank between words, masked address, merged ports, options in the order of enum rules_option)
 * into buf, as snprintf: returns the full length. Parsing it again gives the same rule, but for key and salt, shown as ***. */
size_t rules_format(const struct rules *, size_t i, char *buf, size_t len);
/* "send_window_size" and so on; NULL outside the enum. */
const char *rules_option_name(enum rules_option);
/* The option's value as a rule line would give it (key and salt: ***) into buf, as snprintf. */
size_t rules_option_value(const struct rules_options *, enum rules_option, char *buf, size_t len);

#endif
