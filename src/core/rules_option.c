#include "rules_int.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "fec.h"
#include "lane.h"

enum kind { KIND_FLAG, KIND_U16, KIND_U32, KIND_RATE, KIND_WORD, KIND_TEXT, KIND_SECRET, KIND_CRYPTO, KIND_FEC };

struct option_def {
	const char *name;
	enum kind kind;
	size_t offset;                /* of the field in struct rules_options */
	uint64_t min, max;            /* of a number; max: size of a text's buffer */
	const char *const *words;     /* KIND_WORD, KIND_CRYPTO, KIND_FEC: value i is spelled words[i]; ends with NULL */
};

/* Words are stored through their index. */
_Static_assert(sizeof(enum rules_wire) == sizeof(unsigned) && sizeof(enum rules_crypto) == sizeof(unsigned) &&
    sizeof(enum rules_mode) == sizeof(unsigned) && sizeof(enum rules_cc) == sizeof(unsigned), "enum size");
_Static_assert(RULES_OPT_COUNT <= 32, "set is 32 bits");

static const char *const wire_words[] = { "session", "plain", NULL };
static const char *const crypto_words[] = { "auto", "none", "aead", "aes-cbc", "plugin:PATH", NULL };
static const char *const mode_words[] = { "auto", "normal", "fast", "fast2", "fast3", "aiokcp", NULL };
static const char *const cc_words[] = { "auto", "kcp", "none", NULL };
/* Two-word options whose field is a bool. */
static const char *const open_words[] = { "none", "empty-push", NULL };
static const char *const engine_words[] = { "thread", "process", NULL };
static const char *const fec_words[] = { "off", "auto", "K:M", NULL };

#define FIELD(f) offsetof(struct rules_options, f)
#define TEXT(f) FIELD(f), 1, sizeof(((struct rules_options *)0)->f)

static const struct option_def defs[RULES_OPT_COUNT] = {
	[RULES_OPT_WIRE] = { "wire", KIND_WORD, FIELD(wire), 0, 0, wire_words },
	[RULES_OPT_CRYPTO] = { "crypto", KIND_CRYPTO, FIELD(crypto), 0, 0, crypto_words },
	[RULES_OPT_MODE] = { "mode", KIND_WORD, FIELD(mode), 0, 0, mode_words },
	[RULES_OPT_KEY_FILE] = { "key_file", KIND_TEXT, TEXT(key_file), NULL },
	[RULES_OPT_KEY] = { "key", KIND_SECRET, TEXT(key), NULL },
	[RULES_OPT_SALT] = { "salt", KIND_SECRET, TEXT(salt), NULL },
	[RULES_OPT_NO_DELAY] = { "no_delay", KIND_FLAG, FIELD(no_delay), 0, 0, NULL },
	[RULES_OPT_UPDATE_INTERVAL] = { "update_interval", KIND_U32, FIELD(update_interval), 10, 5000, NULL },
	[RULES_OPT_RESEND_COUNT] = { "resend_count", KIND_U32, FIELD(resend_count), 0, 255, NULL },
	[RULES_OPT_NO_CONGESTION_CONTROL] =
	    { "no_congestion_control", KIND_FLAG, FIELD(no_congestion_control), 0, 0, NULL },
	[RULES_OPT_SEND_WINDOW_SIZE] = { "send_window_size", KIND_U32, FIELD(send_window_size), 1, 65535, NULL },
	[RULES_OPT_RECEIVE_WINDOW_SIZE] =
	    { "receive_window_size", KIND_U32, FIELD(receive_window_size), 1, 65535, NULL },
	[RULES_OPT_MAX_TRANSMISSION] = { "max_transmission", KIND_U32, FIELD(max_transmission), 50, 65000, NULL },
	[RULES_OPT_STREAM] = { "stream", KIND_FLAG, FIELD(stream), 0, 0, NULL },
	[RULES_OPT_TIMEOUT] = { "timeout", KIND_U32, FIELD(timeout), 0, 31536000, NULL },
	[RULES_OPT_CC] = { "cc", KIND_WORD, FIELD(cc), 0, 0, cc_words },
	[RULES_OPT_RATE] = { "rate", KIND_RATE, FIELD(rate), 0, 1000000000000u, NULL },
	[RULES_OPT_REDUNDANCY] = { "redundancy", KIND_FLAG, FIELD(redundancy), 0, 0, NULL },
	[RULES_OPT_OPEN] = { "open", KIND_FLAG, FIELD(open_empty_push), 0, 0, open_words },
	[RULES_OPT_UDP_PORT] = { "udp_port", KIND_U16, FIELD(udp_port), 0, 65535, NULL },
	[RULES_OPT_KEEPALIVE] = { "keepalive", KIND_U32, FIELD(keepalive), 0, 32767, NULL },
	[RULES_OPT_FEC] = { "fec", KIND_FEC, FIELD(fec), 0, 0, fec_words },
	[RULES_OPT_ENGINE] = { "engine", KIND_FLAG, FIELD(engine_process), 0, 0, engine_words },
	[RULES_OPT_HANDSHAKES] = { "handshakes", KIND_U32, FIELD(handshakes), 0, 1000000, NULL },
	[RULES_OPT_ECN] = { "ecn", KIND_FLAG, FIELD(ecn), 0, 0, NULL },
	[RULES_OPT_THREADS] = { "threads", KIND_U32, FIELD(threads), 1, LANE_MAX, NULL },
	[RULES_OPT_SALT_FILE] = { "salt_file", KIND_TEXT, TEXT(salt_file), NULL },
};

#undef TEXT
#undef FIELD

bool
rules_number(const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || v > max / 10)
			return false;
		v = v * 10 + (uint64_t)(text[i] - '0');
	}
	*value = v;
	return min <= v && v <= max;
}

void
rules_printable(char *dst, size_t size, const char *src, size_t len)
{
	size_t n = len < size ? len : size - 4;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)src[i];

		dst[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	memcpy(dst + n, n < len ? "..." : "", n < len ? 4 : 1);
}

static const struct option_def *
def_find(const char *name)
{
	for (size_t i = 0; i < RULES_OPT_COUNT; i++)
		if (strcmp(defs[i].name, name) == 0)
			return &defs[i];
	return NULL;
}

static int
word_index(const char *const *words, const char *value)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], value) == 0)
			return i;
	return -1;
}

/* "NAME=VALUE is not one of a, b, c" */
static int
refuse_word(const struct option_def *d, const char *value, const char *const *words, char *err, size_t errlen)
{
	char shown[48];
	size_t n;

	rules_printable(shown, sizeof(shown), value, strlen(value));
	n = (size_t)snprintf(err, errlen, "%s=%s is not one of ", d->name, shown);
	for (int i = 0; words[i] != NULL && n < errlen; i++)
		n += (size_t)snprintf(err + n, errlen - n, "%s%s", i > 0 ? ", " : "", words[i]);
	return KCPSHIM_E_FORMAT;
}

static int
refuse_number(const struct option_def *d, const char *value, char *err, size_t errlen)
{
	char shown[48];

	rules_printable(shown, sizeof(shown), value, strlen(value));
	snprintf(err, errlen, "%s=%s is not a number from %llu to %llu", d->name, shown,
	    (unsigned long long)d->min, (unsigned long long)d->max);
	return KCPSHIM_E_RANGE;
}

static int
parse_flag(const struct option_def *d, bool *field, const char *value, char *err, size_t errlen)
{
	static const char *const spelled[] = { "0", "1", "no", "yes", "off", "on", "false", "true", NULL };
	const char *const *words = d->words != NULL ? d->words : spelled;
	int i = word_index(words, value);

	if (i < 0)
		return refuse_word(d, value, words, err, errlen);
	*field = (i & 1) != 0;
	return KCPSHIM_OK;
}

static int
parse_word(const struct option_def *d, void *field, const char *value, char *err, size_t errlen)
{
	int i = word_index(d->words, value);
	unsigned v = (unsigned)i;

	if (i < 0)
		return refuse_word(d, value, d->words, err, errlen);
	if (field != NULL)
		memcpy(field, &v, sizeof(v));
	return KCPSHIM_OK;
}

/* Datagrams and parity of a group, as kcptun's datashard and parityshard. */
static int
parse_fec(const struct option_def *d, struct rules_options *o, const char *value, char *err, size_t errlen)
{
	const char *colon = strchr(value, ':');
	uint64_t k, m;
	int i = word_index(d->words, value);

	if (i == RULES_FEC_OFF || i == RULES_FEC_AUTO) {
		o->fec = (uint8_t)i;
		return KCPSHIM_OK;
	}
	if (colon == NULL || !rules_number(value, (size_t)(colon - value), 1, FEC_DATA_MAX, &k) ||
	    !rules_number(colon + 1, strlen(colon + 1), 1, FEC_PARITY_MAX, &m))
		return refuse_word(d, value, d->words, err, errlen);
	o->fec = RULES_FEC_FIXED;
	o->fec_data = (uint8_t)k;
	o->fec_parity = (uint8_t)m;
	return KCPSHIM_OK;
}

static int
parse_text(const struct option_def *d, char *field, const char *value, char *err, size_t errlen)
{
	size_t len = strlen(value);

	if (len == 0 || len >= d->max) {
		snprintf(err, errlen, "%s must have 1 to %llu bytes", d->name, (unsigned long long)d->max - 1);
		return KCPSHIM_E_RANGE;
	}
	memcpy(field, value, len + 1);
	return KCPSHIM_OK;
}

static int
parse_crypto(const struct option_def *d, struct rules_options *o, const char *value, char *err, size_t errlen)
{
	static const char prefix[] = "plugin:";
	const char *path = value + sizeof(prefix) - 1;

	if (strncmp(value, prefix, sizeof(prefix) - 1) != 0)
		return parse_word(d, &o->crypto, value, err, errlen);
	if (path[0] != '/' || strlen(path) >= sizeof(o->plugin)) {
		snprintf(err, errlen, "crypto=plugin: needs an absolute path of at most %zu bytes",
		    sizeof(o->plugin) - 1);
		return KCPSHIM_E_FORMAT;
	}
	memcpy(o->plugin, path, strlen(path) + 1);
	o->crypto = RULES_CRYPTO_PLUGIN;
	return KCPSHIM_OK;
}

/* Bytes per second, with k, M or G for powers of 1000. */
static int
parse_rate(const struct option_def *d, uint64_t *field, const char *value, char *err, size_t errlen)
{
	size_t len = strlen(value);
	uint64_t unit = 1, v;

	if (len > 1) {
		char c = value[len - 1];

		unit = c == 'k' ? 1000u : c == 'M' ? 1000000u : c == 'G' ? 1000000000u : 1u;
	}
	if (!rules_number(value, len - (unit > 1), d->min, d->max / unit, &v))
		return refuse_number(d, value, err, errlen);
	*field = v * unit;
	return KCPSHIM_OK;
}

static int
parse_value(const struct option_def *d, struct rules_options *o, const char *value, char *err, size_t errlen)
{
	void *field = d->offset == SIZE_MAX ? NULL : (char *)o + d->offset;
	uint64_t v;

	switch (d->kind) {
	case KIND_FLAG:
		return parse_flag(d, field, value, err, errlen);
	case KIND_WORD:
		return parse_word(d, field, value, err, errlen);
	case KIND_CRYPTO:
		return parse_crypto(d, o, value, err, errlen);
	case KIND_FEC:
		return parse_fec(d, o, value, err, errlen);
	case KIND_TEXT:
	case KIND_SECRET:
		return parse_text(d, field, value, err, errlen);
	case KIND_RATE:
		return parse_rate(d, field, value, err, errlen);
	case KIND_U16:
	case KIND_U32:
		break;
	}
	if (!rules_number(value, strlen(value), d->min, d->max, &v))
		return refuse_number(d, value, err, errlen);
	if (d->kind == KIND_U16)
		*(uint16_t *)field = (uint16_t)v;
	else
		*(uint32_t *)field = (uint32_t)v;
	return KCPSHIM_OK;
}

int
rules_option_parse(struct rules_options *opts, const char *name, const char *value, char *err, size_t errlen)
{
	const struct option_def *d = def_find(name);
	char shown[48];
	uint32_t bit;
	int error;

	if (d == NULL) {
		rules_printable(shown, sizeof(shown), name, strlen(name));
		snprintf(err, errlen, "unknown option \"%s\"", shown);
		return KCPSHIM_E_FORMAT;
	}
	bit = 1u << (d - defs);
	if ((opts->set & bit) != 0) {
		snprintf(err, errlen, "option \"%s\" is given twice", name);
		return KCPSHIM_E_FORMAT;
	}
	error = parse_value(d, opts, value, err, errlen);
	if (error == KCPSHIM_OK)
		opts->set |= bit;
	return error;
}

void
rules_options_merge(struct rules_options *base, const struct rules_options *over)
{
	static const struct { enum rules_option a, b; } same[] = {
		{ RULES_OPT_KEY, RULES_OPT_KEY_FILE }, { RULES_OPT_SALT, RULES_OPT_SALT_FILE },
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		uint32_t both = 1u << same[i].a | 1u << same[i].b;

		if ((over->set & both) != 0)
			base->set &= ~both;
	}
	for (size_t i = 0; i < RULES_OPT_COUNT; i++) {
		static const size_t width[] = {
			[KIND_FLAG] = sizeof(bool), [KIND_U16] = sizeof(uint16_t), [KIND_U32] = sizeof(uint32_t),
			[KIND_RATE] = sizeof(uint64_t), [KIND_WORD] = sizeof(unsigned), [KIND_CRYPTO] = sizeof(unsigned),
			[KIND_FEC] = 3 * sizeof(uint8_t), /* the word and both numbers */
		};
		const struct option_def *d = &defs[i];
		size_t n = d->kind == KIND_TEXT || d->kind == KIND_SECRET ? d->max : width[d->kind];

		if ((over->set & 1u << i) == 0)
			continue;
		if (d->offset != SIZE_MAX)
			memcpy((char *)base + d->offset, (const char *)over + d->offset, n);
		if (d->kind == KIND_CRYPTO)
			memcpy(base->plugin, over->plugin, sizeof(base->plugin));
	}
	base->set |= over->set;
}

const char *
rules_option_name(enum rules_option o)
{
	return (unsigned)o < RULES_OPT_COUNT ? defs[o].name : NULL;
}

size_t
rules_option_value(const struct rules_options *o, enum rules_option opt, char *buf, size_t len)
{
	const struct option_def *d = &defs[opt];
	const char *field = (const char *)o + (d->offset == SIZE_MAX ? 0 : d->offset);
	uint64_t v = 0;
	unsigned word = 0;

	switch (d->kind) {
	case KIND_FLAG:
		if (d->words != NULL)
			return (size_t)snprintf(buf, len, "%s", d->words[*(const bool *)field]);
		v = *(const bool *)field;
		break;
	case KIND_U16:
		v = *(const uint16_t *)field;
		break;
	case KIND_U32:
		v = *(const uint32_t *)field;
		break;
	case KIND_RATE:
		v = *(const uint64_t *)field;
		break;
	case KIND_CRYPTO:
		if (o->crypto == RULES_CRYPTO_PLUGIN)
			return (size_t)snprintf(buf, len, "plugin:%s", o->plugin);
		/* fallthrough */
	case KIND_WORD:
		if (d->offset != SIZE_MAX)
			memcpy(&word, field, sizeof(word));
		return (size_t)snprintf(buf, len, "%s", d->words[word]);
	case KIND_FEC:
		if (o->fec == RULES_FEC_FIXED)
			return (size_t)snprintf(buf, len, "%u:%u", o->fec_data, o->fec_parity);
		return (size_t)snprintf(buf, len, "%s", d->words[o->fec]);
	case KIND_TEXT:
		return (size_t)snprintf(buf, len, "%s", field);
	case KIND_SECRET:
		return (size_t)snprintf(buf, len, "***");
	}
	return (size_t)snprintf(buf, len, "%llu", (unsigned long long)v);
}
