/* rules_int: the rule table as its own files (rules.c, rules_parse.c, rules_option.c) see it. */
#ifndef KCPSHIM_RULES_INT_H
#define KCPSHIM_RULES_INT_H

#include "rules.h"

struct rules_ports {
	uint16_t first, last;         /* inclusive, 1 <= first <= last */
};

struct rule {
	enum rules_action action;
	enum rules_role role;
	uint8_t family;               /* 4, 6, or 0 for "*" */
	uint8_t prefix;               /* bits of ip that count; 0 when family is 0 */
	uint8_t ip[16];               /* bits behind the prefix are 0 */
	size_t nports;
	struct rules_ports *ports;    /* owned */
	char *program;                /* owned glob, NULL: every program */
	struct rules_options *opts;   /* owned, NULL: none given */
	const char *name;             /* of the text it came from; owned by the table */
	unsigned line;
};

struct rules {
	size_t count, cap;
	struct rule *rule;
	size_t nnames;
	char **names;                 /* owned, each malloc'ed */
};

/* An empty table, NULL without memory. */
struct rules *rules_new(void);
/* Moves *r to the end of the table; on KCPSHIM_E_NOMEM *r stays the caller's. */
int rules_push(struct rules *, const struct rule *r);
/* A copy of `name` that lives as long as the table; NULL without memory. */
const char *rules_keep_name(struct rules *, const char *name);
void rule_dispose(struct rule *);

/* Parses "8080,9000-9100" or "*" (text[0..len)) into r->ports. 0, KCPSHIM_E_NOMEM, or KCPSHIM_E_FORMAT with msg filled. */
int rules_ports_parse(struct rule *r, const char *text, size_t len, char *msg, size_t msglen);
/* Parses "*", IPv4[/bits] or [IPv6][/bits] (text[0..len)) into family, ip and prefix. Errors as rules_ports_parse. */
int rules_address_parse(struct rule *r, const char *text, size_t len, char *msg, size_t msglen);
/* Decimal digits only, min <= value <= max. */
bool rules_number(const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *value);

/* Shell-like match: * ? [set] [!set]. Async-signal-safe. */
bool rules_glob(const char *pattern, const char *text);
/* Whether `pattern` is one that rules_glob understands (each [ is closed). */
bool rules_glob_valid(const char *pattern);

/* Copies src[0..len) into dst[size] with what a terminal should not see replaced by '?'; cut with "..." when too long. */
void rules_printable(char *dst, size_t size, const char *src, size_t len);

#endif
