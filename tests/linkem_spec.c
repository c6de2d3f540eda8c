#include "linkem_spec.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum unit { UNIT_RATE, UNIT_BYTES, UNIT_TIME, UNIT_SHARE, UNIT_COUNT, UNIT_SWITCH };

struct name {
	const char *name;
	enum unit unit;
	size_t offset;
	const char *help;
};

#define FIELD(f) offsetof(struct linkem_profile, f)

static const struct name names[] = {
	{"rate", UNIT_RATE, FIELD(rate), "bit/s (50M, 1G); 0: no limit"},
	{"queue", UNIT_TIME, FIELD(queue_ns), "longest wait in the drop-tail queue before the link"},
	{"queue-bytes", UNIT_BYTES, FIELD(queue_bytes), "the same in bytes (256K)"},
	{"mark", UNIT_TIME, FIELD(mark_ns), "wait from which on ECN-capable packets are marked; 0: none are"},
	{"delay", UNIT_TIME, FIELD(delay_ns), "mean one-way delay"},
	{"jitter", UNIT_TIME, FIELD(jitter_ns), "standard deviation of the delay"},
	{"jitter-tau", UNIT_TIME, FIELD(jitter_tau_ns), "correlation time of the jitter; 0: none"},
	{"reorder", UNIT_SWITCH, FIELD(reorder), "jitter may reorder packets (on, off)"},
	{"loss", UNIT_SHARE, FIELD(loss), "share lost, after the queue (2% or 0.02)"},
	{"burst", UNIT_COUNT, FIELD(burst), "mean number of packets lost in a row"},
	{"duplicate", UNIT_SHARE, FIELD(duplicate), "share delivered twice"},
	{"corrupt", UNIT_SHARE, FIELD(corrupt), "share with one flipped payload bit"},
	{"corrupt-hidden", UNIT_SWITCH, FIELD(corrupt_hidden), "repair the UDP checksum after the flip (on, off)"},
	{"blackout-at", UNIT_TIME, FIELD(blackout_at_ns), "begin of a window in which all is lost"},
	{"blackout", UNIT_TIME, FIELD(blackout_ns), "its length"},
	{"blackout-period", UNIT_TIME, FIELD(blackout_period_ns), "repeat it after this"},
};

struct preset {
	const char *name;
	const char *words; /* separated by single spaces */
};

static const struct preset presets[] = {
	{"lan", ""},
	{"fiber", "rate=500M queue=20ms delay=5ms"},
	{"broadband", "rate=100M queue=50ms delay=20ms loss=0.1%"},
	{"wifi", "rate=50M queue=50ms delay=15ms loss=2% jitter=5ms jitter-tau=10ms"},
	{"mobile", "rate=20M queue=200ms delay=40ms loss=3% jitter=15ms reorder=on"},
	{"transcontinental", "rate=100M queue=100ms delay=100ms loss=1%"},
	{"lossy", "rate=50M queue=100ms delay=50ms loss=10% burst=4"},
	{"satellite", "rate=20M queue=200ms delay=300ms loss=0.5%"},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct suffix {
	const char *text;
	double factor;
};

static const struct suffix decimal_suffixes[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {NULL, 0}};
static const struct suffix binary_suffixes[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {NULL, 0}};
static const struct suffix time_suffixes[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {NULL, 0}};
static const struct suffix share_suffixes[] = {{"", 1}, {"%", 0.01}, {NULL, 0}};
static const struct suffix no_suffixes[] = {{"", 1}, {NULL, 0}};

static const struct suffix *const unit_suffixes[] = {
	[UNIT_RATE] = decimal_suffixes,
	[UNIT_BYTES] = binary_suffixes,
	[UNIT_TIME] = time_suffixes,
	[UNIT_SHARE] = share_suffixes,
	[UNIT_COUNT] = no_suffixes,
};

static int
parse_number(enum unit unit, const char *text, double *value)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || !(number >= 0.0) || number > 1e15)
		return -1;
	if (number == 0.0 && *end == '\0') {
		*value = 0.0;
		return 0;
	}
	for (const struct suffix *suffix = unit_suffixes[unit]; suffix->text != NULL; suffix++) {
		if (strcmp(end, suffix->text) == 0) {
			*value = number * suffix->factor;
			return unit == UNIT_SHARE && *value > 1.0 ? -1 : 0;
		}
	}
	return -1;
}

static int
set_field(struct linkem_profile *profile, const struct name *name, const char *text)
{
	void *field = (char *)profile + name->offset;
	double value;

	if (name->unit == UNIT_SWITCH) {
		if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
			return -1;
		*(bool *)field = strcmp(text, "on") == 0;
		return 0;
	}
	if (parse_number(name->unit, text, &value) != 0)
		return -1;
	if (name->unit == UNIT_SHARE || name->unit == UNIT_COUNT)
		*(double *)field = value;
	else
		*(uint64_t *)field = (uint64_t)(value + 0.5);
	return 0;
}

static int
apply_setting(struct linkem_profile *profile, const char *key, size_t key_len, const char *value)
{
	for (size_t i = 0; i < COUNT(names); i++) {
		if (strlen(names[i].name) == key_len && strncmp(names[i].name, key, key_len) == 0)
			return set_field(profile, &names[i], value) == 0 ? 0 : -2;
	}
	return -1;
}

static int
apply_preset(struct linkem_profile *profile, const char *name)
{
	for (size_t i = 0; i < COUNT(presets); i++) {
		char words[128], *save = NULL;

		if (strcmp(presets[i].name, name) != 0)
			continue;
		memset(profile, 0, sizeof(*profile));
		snprintf(words, sizeof(words), "%s", presets[i].words);
		for (char *word = strtok_r(words, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
			char *equals = strchr(word, '=');

			if (apply_setting(profile, word, (size_t)(equals - word), equals + 1) != 0)
				abort();
		}
		return 0;
	}
	return -2;
}

int
linkem_spec_apply(struct linkem_profile profiles[LINKEM_DIRECTIONS], const char *word, char *error,
	size_t error_size)
{
	bool ab = strncmp(word, "ab.", 3) == 0, ba = strncmp(word, "ba.", 3) == 0;
	const char *key = ab || ba ? word + 3 : word;
	const char *equals = strchr(key, '=');

	if (equals == NULL) {
		snprintf(error, error_size, "\"%s\" is not NAME=VALUE", word);
		return -1;
	}
	for (int i = 0; i < LINKEM_DIRECTIONS; i++) {
		int rc;

		if ((ab && i == LINKEM_BA) || (ba && i == LINKEM_AB))
			continue;
		if (strncmp(key, "profile=", 8) == 0)
			rc = apply_preset(&profiles[i], equals + 1);
		else
			rc = apply_setting(&profiles[i], key, (size_t)(equals - key), equals + 1);
		if (rc != 0) {
			snprintf(error, error_size, "%s in \"%s\"", rc == -1 ? "unknown name" : "bad value", word);
			return -1;
		}
	}
	return 0;
}

void
linkem_spec_describe(FILE *out)
{
	fprintf(out, "Settings (times need us, ms or s):\n");
	for (size_t i = 0; i < COUNT(names); i++)
		fprintf(out, "  %-16s %s\n", names[i].name, names[i].help);
	fprintf(out, "Profiles (profile=NAME, then change single settings after it):\n");
	for (size_t i = 0; i < COUNT(presets); i++)
		fprintf(out, "  %-16s %s\n", presets[i].name, presets[i].words[0] != '\0' ? presets[i].words : "(perfect)");
}
