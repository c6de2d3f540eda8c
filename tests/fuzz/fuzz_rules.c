/* fuzz_rules: the text of a rules file, KCPSHIM_PORTS and one option. What parses has a normal form that parses to the same rules
 * and decides alike; what does not leaves one printable line. */
#include <string.h>

#include "core/error.h"
#include "core/rules.h"
#include "fuzz.h"

static void
check_error(int rc, const char *err, size_t size)
{
	FUZZ_CHECK(rc == KCPSHIM_E_FORMAT || rc == KCPSHIM_E_RANGE);
	FUZZ_CHECK(memchr(err, '\0', size) != NULL && err[0] != '\0');
	for (const char *c = err; *c != '\0'; c++)
		FUZZ_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
}

/* The normal form of all rules as one text, malloc'ed. */
static char *
format(const struct rules *t, size_t *len)
{
	char *text = malloc(1);

	*len = 0;
	for (size_t i = 0; i < rules_count(t); i++) {
		size_t n = rules_format(t, i, NULL, 0);

		text = realloc(text, *len + n + 2);
		FUZZ_CHECK(text != NULL && rules_format(t, i, text + *len, n + 1) == n);
		text[*len + n] = '\n';
		*len += n + 1;
	}
	return text;
}

/* Addresses and ports taken from the input itself, so that they come near what the rules say. */
static void
check_same_verdicts(const struct rules *a, const struct rules *b, const uint8_t *data, size_t len)
{
	struct rules_options x, y;
	struct netaddr addr = { 0 };

	for (size_t i = 0; i + 18 <= len && i < 40; i++) {
		enum rules_role role = data[i] & 1 ? RULES_LISTEN : RULES_CONNECT;

		addr.family = data[i] & 2 ? 4 : 6;
		memset(addr.ip, 0, sizeof(addr.ip));
		memcpy(addr.ip, data + i, addr.family == 4 ? 4 : 16);
		addr.port = (uint16_t)(data[i + 16] << 8 | data[i + 17]);
		FUZZ_CHECK(rules_match(a, "nginx", role, &addr, &x) == rules_match(b, "nginx", role, &addr, &y));
		FUZZ_CHECK(x.set == y.set && x.rate == y.rate && x.mode == y.mode);
	}
	FUZZ_CHECK(rules_relevant(a, "nginx") == rules_relevant(b, "nginx"));
}

static void
fuzz_text(const char *text, size_t len)
{
	char err[RULES_ERRLEN], *normal, *again;
	struct rules *t, *u;
	size_t n, m;
	int rc = rules_parse(&t, "f", text, len, err);

	if (rc != KCPSHIM_OK) {
		FUZZ_CHECK(t == NULL);
		check_error(rc, err, sizeof(err));
		return;
	}
	normal = format(t, &n);
	FUZZ_CHECK(rules_parse(&u, "f", normal, n, err) == KCPSHIM_OK);
	again = format(u, &m);
	FUZZ_CHECK(n == m && memcmp(normal, again, n) == 0);
	check_same_verdicts(t, u, (const uint8_t *)text, len);
	free(normal);
	free(again);
	rules_free(u);
	rules_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char err[RULES_ERRLEN], *text = malloc(len + 1), *value;
	struct rules_options opts = { 0 };
	struct rules *ports = NULL;
	int rc;

	FUZZ_CHECK(text != NULL);
	fuzz_text((const char *)data, len);
	memcpy(text, data, len);
	text[len] = '\0';
	rc = rules_parse_ports(&ports, "KCPSHIM_PORTS", text, err);
	if (rc != KCPSHIM_OK)
		check_error(rc, err, sizeof(err));
	FUZZ_CHECK(rules_count(ports) == (rc == KCPSHIM_OK));
	rules_free(ports);
	value = strchr(text, '=');
	if (value != NULL) {
		*value++ = '\0';
		rc = rules_option_parse(&opts, text, value, err, sizeof(err));
		if (rc != KCPSHIM_OK)
			check_error(rc, err, sizeof(err));
		FUZZ_CHECK((opts.set != 0) == (rc == KCPSHIM_OK));
	}
	free(text);
	return 0;
}
