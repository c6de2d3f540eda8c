#include "rules_int.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

struct rules *
rules_new(void)
{
	return calloc(1, sizeof(struct rules));
}

void
rule_dispose(struct rule *r)
{
	free(r->ports);
	free(r->program);
	if (r->opts != NULL) {
		explicit_bzero(r->opts, sizeof(*r->opts));
		free(r->opts);
	}
	memset(r, 0, sizeof(*r));
}

void
rules_free(struct rules *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		rule_dispose(&t->rule[i]);
	for (size_t i = 0; i < t->nnames; i++)
		free(t->names[i]);
	free(t->rule);
	free(t->names);
	free(t);
}

static int
rules_reserve(struct rules *t, size_t more)
{
	size_t cap = t->cap == 0 ? 8 : t->cap;
	struct rule *p;

	while (cap < t->count + more)
		cap *= 2;
	if (cap == t->cap)
		return KCPSHIM_OK;
	p = reallocarray(t->rule, cap, sizeof(*p));
	if (p == NULL)
		return KCPSHIM_E_NOMEM;
	t->rule = p;
	t->cap = cap;
	return KCPSHIM_OK;
}

int
rules_push(struct rules *t, const struct rule *r)
{
	int error = rules_reserve(t, 1);

	if (error == KCPSHIM_OK)
		t->rule[t->count++] = *r;
	return error;
}

const char *
rules_keep_name(struct rules *t, const char *name)
{
	char **p = reallocarray(t->names, t->nnames + 1, sizeof(*p));
	char *copy;

	if (p == NULL)
		return NULL;
	t->names = p;
	copy = strdup(name);
	if (copy != NULL)
		t->names[t->nnames++] = copy;
	return copy;
}

int
rules_append(struct rules **a, struct rules *b)
{
	struct rules *t = *a;
	char **names;

	if (b == NULL)
		return KCPSHIM_OK;
	if (t == NULL) {
		*a = b;
		return KCPSHIM_OK;
	}
	names = reallocarray(t->names, t->nnames + b->nnames + 1, sizeof(*names));
	if (names != NULL)
		t->names = names;
	if (names == NULL || rules_reserve(t, b->count) != KCPSHIM_OK) {
		rules_free(b);
		return KCPSHIM_E_NOMEM;
	}
	if (b->count > 0)
		memcpy(t->rule + t->count, b->rule, b->count * sizeof(*b->rule));
	if (b->nnames > 0)
		memcpy(t->names + t->nnames, b->names, b->nnames * sizeof(*b->names));
	t->count += b->count;
	t->nnames += b->nnames;
	free(b->rule);
	free(b->names);
	free(b);
	return KCPSHIM_OK;
}

/* --- matching: nothing below may allocate, lock or touch errno --- */

/* Whether c is in the set that starts at p, behind its '['. *end: behind its ']', NULL when there is none. */
static bool
glob_set(const char *p, unsigned char c, const char **end)
{
	bool negate = *p == '!' || *p == '^', in = false, first = true;

	if (negate)
		p++;
	for (; *p != '\0' && (first || *p != ']'); p++, first = false) {
		unsigned char low = (unsigned char)*p, high = low;

		if (p[1] == '-' && p[2] != ']' && p[2] != '\0') {
			high = (unsigned char)p[2];
			p += 2;
		}
		if (low <= c && c <= high)
			in = true;
	}
	*end = *p == ']' ? p + 1 : NULL;
	return in != negate;
}

bool
rules_glob_valid(const char *p)
{
	while (p != NULL && *p != '\0')
		if (*p++ == '[')
			glob_set(p, 0, &p);
	return p != NULL;
}

bool
rules_glob(const char *p, const char *t)
{
	const char *star = NULL, *retry = NULL;

	while (*t != '\0') {
		const char *next = p + 1;
		bool hit;

		if (*p == '*') {
			star = ++p;
			retry = t;
			continue;
		}
		if (*p == '[')
			hit = glob_set(p + 1, (unsigned char)*t, &next) && next != NULL;
		else
			hit = *p == '?' || *p == *t;
		if (*p != '\0' && hit) {
			p = next;
			t++;
		} else if (star != NULL) {
			p = star;
			t = ++retry;
		} else
			return false;
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

static bool
match_address(const struct rule *r, const struct netaddr *a)
{
	unsigned whole = r->prefix / 8, rest = r->prefix % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	if (r->family == 0)
		return true;
	if (r->family != a->family || memcmp(r->ip, a->ip, whole) != 0)
		return false;
	return rest == 0 || ((r->ip[whole] ^ a->ip[whole]) & mask) == 0;
}

static bool
match_port(const struct rule *r, uint16_t port)
{
	for (size_t i = 0; i < r->nports; i++)
		if (r->ports[i].first <= port && port <= r->ports[i].last)
			return true;
	return false;
}

static bool
match_program(const struct rule *r, const char *program)
{
	return r->program == NULL || rules_glob(r->program, program);
}

enum rules_action
rules_match(const struct rules *t, const char *program, enum rules_role role,
    const struct netaddr *addr, struct rules_options *opts)
{
	struct netaddr a = *addr;

	netaddr_unmap(&a);
	for (size_t i = 0; t != NULL && i < t->count; i++) {
		const struct rule *r = &t->rule[i];

		if ((r->role & role) == 0 || !match_port(r, a.port) || !match_address(r, &a) ||
		    !match_program(r, program))
			continue;
		if (opts != NULL && r->opts != NULL)
			*opts = *r->opts;
		else if (opts != NULL)
			memset(opts, 0, sizeof(*opts));
		return r->action;
	}
	if (opts != NULL)
		memset(opts, 0, sizeof(*opts));
	return RULES_TCP;
}

/* True when every address, port and role meets this rule, so that no later one can be reached. */
static bool
rule_is_final(const struct rule *r)
{
	return r->role == RULES_ANY && r->family == 0 && r->nports == 1 &&
	    r->ports[0].first == 1 && r->ports[0].last == 65535;
}

bool
rules_relevant(const struct rules *t, const char *program)
{
	for (size_t i = 0; t != NULL && i < t->count; i++) {
		const struct rule *r = &t->rule[i];

		if (!match_program(r, program))
			continue;
		if (r->action != RULES_TCP)
			return true;
		if (rule_is_final(r))
			return false;
	}
	return false;
}

size_t
rules_count(const struct rules *t)
{
	return t == NULL ? 0 : t->count;
}

bool
rules_entry(const struct rules *t, size_t i, struct rules_entry *e)
{
	if (i >= rules_count(t))
		return false;
	e->action = t->rule[i].action;
	e->role = t->rule[i].role;
	e->name = t->rule[i].name;
	e->line = t->rule[i].line;
	e->opts = t->rule[i].opts;
	return true;
}
