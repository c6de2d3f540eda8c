#include "rules_int.h"

#include <arpa/inet.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define WORD_MAX 320             /* the longest NAME=VALUE and NUL */
#define MSG_MAX 192              /* leaves room in RULES_ERRLEN for the name */

struct reader {
	const char *pos, *end;
	unsigned line;
};

struct word {
	const char *text;
	size_t len;
	unsigned line;
};

struct parse {
	struct rules *table;
	const char *name;
	char *err;                    /* RULES_ERRLEN */
};

static const char *const action_words[] = { [RULES_TCP] = "tcp", [RULES_KCP] = "kcp", [RULES_AUTO] = "auto" };
static const char *const role_words[] =
    { [RULES_LISTEN] = "listen", [RULES_CONNECT] = "connect", [RULES_ANY] = "any" };

#define NWORDS(w) (sizeof(w) / sizeof((w)[0]))

/* Length of a backslash and line end at p, 0 when it is none. */
static size_t
continuation(const struct reader *r, const char *p)
{
	if (r->end - p >= 2 && p[0] == '\\' && p[1] == '\n')
		return 2;
	return r->end - p >= 3 && p[0] == '\\' && p[1] == '\r' && p[2] == '\n' ? 3 : 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Next word of the present rule. False at the end of its last line, which is then consumed. */
static bool
next_word(struct reader *r, struct word *w)
{
	size_t n;

	while (r->pos < r->end && (is_blank(*r->pos) || continuation(r, r->pos) > 0)) {
		n = continuation(r, r->pos);
		r->line += n > 0;
		r->pos += n > 0 ? n : 1;
	}
	if (r->pos < r->end && *r->pos == '#')
		while (r->pos < r->end && *r->pos != '\n')
			r->pos++;
	if (r->pos == r->end)
		return false;
	if (*r->pos == '\n') {
		r->pos++;
		r->line++;
		return false;
	}
	w->text = r->pos;
	w->line = r->line;
	while (r->pos < r->end && !is_blank(*r->pos) && *r->pos != '\n' && continuation(r, r->pos) == 0)
		r->pos++;
	w->len = (size_t)(r->pos - w->text);
	return true;
}

static int __attribute__((format(printf, 3, 4)))
fail(const struct parse *p, unsigned line, const char *fmt, ...)
{
	char name[96], msg[MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	rules_printable(name, sizeof(name), p->name, strlen(p->name));
	snprintf(p->err, RULES_ERRLEN, "%s:%u: %s", name, line, msg);
	return KCPSHIM_E_FORMAT;
}

static int
fail_word(const struct parse *p, const struct word *w, const char *why)
{
	char shown[64];

	rules_printable(shown, sizeof(shown), w->text, w->len);
	return fail(p, w->line, "\"%s\" %s", shown, why);
}

/* Index of the word in words[], -1 when it is none of them. */
static int
find_word(const struct word *w, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (words[i] != NULL && strlen(words[i]) == w->len && memcmp(words[i], w->text, w->len) == 0)
			return (int)i;
	return -1;
}

static int
parse_target(const struct parse *p, struct rule *r, const struct word *w)
{
	const char *from = w->text, *bracket = NULL, *colon;
	char msg[MSG_MAX];
	int error;

	if (*from == '[')
		bracket = memchr(from, ']', w->len);
	if (*from == '[' && bracket == NULL)
		return fail_word(p, w, "has a [ without its ]");
	if (bracket != NULL)
		from = bracket;
	colon = memchr(from, ':', w->len - (size_t)(from - w->text));
	if (colon == NULL)
		return fail_word(p, w, "has no :PORTS behind the address");
	error = rules_address_parse(r, w->text, (size_t)(colon - w->text), msg, sizeof(msg));
	if (error == KCPSHIM_OK)
		error = rules_ports_parse(r, colon + 1, w->len - (size_t)(colon + 1 - w->text), msg, sizeof(msg));
	if (error == KCPSHIM_E_FORMAT)
		return fail(p, w->line, "%s", msg);
	return error;
}

static int
parse_program(const struct parse *p, struct rule *r, const struct word *w, const char *glob)
{
	if (r->program != NULL)
		return fail(p, w->line, "option \"program\" is given twice");
	if (*glob == '\0' || strchr(glob, '/') != NULL)
		return fail_word(p, w, "needs a pattern for a program's base name, without /");
	if (!rules_glob_valid(glob))
		return fail_word(p, w, "has a [ without its ]");
	r->program = strdup(glob);
	return r->program == NULL ? KCPSHIM_E_NOMEM : KCPSHIM_OK;
}

static int
parse_option(const struct parse *p, struct rule *r, const struct word *w)
{
	char text[WORD_MAX], msg[MSG_MAX], *value;

	if (w->len >= sizeof(text))
		return fail_word(p, w, "is too long");
	if (w->text[w->len - 1] == '\\')
		return fail_word(p, w, "ends in a backslash, which continues a line only at its very end");
	memcpy(text, w->text, w->len);
	text[w->len] = '\0';
	value = strchr(text, '=');
	if (value == NULL)
		return fail_word(p, w, "is not an option (NAME=VALUE)");
	*value++ = '\0';
	if (strcmp(text, "program") == 0)
		return parse_program(p, r, w, value);
	if (strcmp(text, rules_option_name(RULES_OPT_ENGINE)) == 0)
		return fail(p, w->line, "engine= is for the whole process: set KCPSHIM_ENGINE, or use kcprun -o");
	if (r->opts == NULL && (r->opts = calloc(1, sizeof(*r->opts))) == NULL)
		return KCPSHIM_E_NOMEM;
	if (rules_option_parse(r->opts, text, value, msg, sizeof(msg)) != KCPSHIM_OK)
		return fail(p, w->line, "%s", msg);
	if (r->action == RULES_TCP)
		return fail(p, w->line, "option \"%s\" has no effect in a tcp rule", text);
	return KCPSHIM_OK;
}

/* `first` is the rule's first word; takes the rest of the rule from the reader. */
static int
parse_rule(const struct parse *p, struct reader *in, struct rule *r, const struct word *first)
{
	struct word w = *first;
	int i, error;

	i = find_word(&w, action_words, NWORDS(action_words));
	if (i < 0)
		return fail_word(p, &w, "is not an action (kcp, tcp, auto)");
	r->action = (enum rules_action)i;
	if (!next_word(in, &w))
		return fail(p, w.line, "the role is missing: a rule is ACTION ROLE ADDRESS:PORTS [OPTION]...");
	i = find_word(&w, role_words, NWORDS(role_words));
	if (i < 0)
		return fail_word(p, &w, "is not a role (listen, connect, any)");
	r->role = (enum rules_role)i;
	if (!next_word(in, &w))
		return fail(p, w.line, "the address is missing: a rule is ACTION ROLE ADDRESS:PORTS [OPTION]...");
	error = parse_target(p, r, &w);
	while (error == KCPSHIM_OK && next_word(in, &w))
		error = parse_option(p, r, &w);
	return error;
}

static int
parse_lines(struct parse *p, struct reader *in)
{
	struct word w;
	int error = KCPSHIM_OK;

	while (error == KCPSHIM_OK && in->pos < in->end) {
		struct rule r = { .name = p->name };

		if (!next_word(in, &w))
			continue;
		r.line = w.line;
		error = parse_rule(p, in, &r, &w);
		if (error == KCPSHIM_OK)
			error = rules_push(p->table, &r);
		if (error != KCPSHIM_OK)
			rule_dispose(&r);
	}
	return error;
}

static int
no_memory(char *err, const char *name)
{
	char shown[96];

	rules_printable(shown, sizeof(shown), name, strlen(name));
	snprintf(err, RULES_ERRLEN, "%s: %s", shown, "out of memory");
	return KCPSHIM_E_NOMEM;
}

int
rules_parse(struct rules **out, const char *name, const char *text, size_t len, char err[RULES_ERRLEN])
{
	struct parse p = { .table = rules_new(), .err = err };
	struct reader in = { .pos = text, .end = text + len, .line = 1 };
	const char *nul = len > 0 ? memchr(text, '\0', len) : NULL;
	int error;

	*out = NULL;
	if (p.table == NULL || (p.name = rules_keep_name(p.table, name)) == NULL)
		error = KCPSHIM_E_NOMEM;
	else if (nul != NULL) {
		for (const char *c = text; c < nul; c++)
			in.line += *c == '\n';
		error = fail(&p, in.line, "a NUL byte: this is not a text file");
	} else
		error = parse_lines(&p, &in);
	if (error == KCPSHIM_OK) {
		*out = p.table;
		return error;
	}
	rules_free(p.table);
	return error == KCPSHIM_E_NOMEM ? no_memory(err, name) : error;
}

int
rules_parse_ports(struct rules **inout, const char *name, const char *ports, char err[RULES_ERRLEN])
{
	struct rule r = { .action = RULES_KCP, .role = RULES_ANY, .line = 1 };
	struct rules *t = rules_new();
	char msg[MSG_MAX], shown[96];
	int error = KCPSHIM_E_NOMEM;

	if (t != NULL && (r.name = rules_keep_name(t, name)) != NULL)
		error = rules_ports_parse(&r, ports, strlen(ports), msg, sizeof(msg));
	if (error == KCPSHIM_OK)
		error = rules_push(t, &r);
	if (error == KCPSHIM_OK) {
		error = rules_append(inout, t);
		return error == KCPSHIM_OK ? error : no_memory(err, name);
	}
	rule_dispose(&r);
	rules_free(t);
	if (error == KCPSHIM_E_NOMEM)
		return no_memory(err, name);
	rules_printable(shown, sizeof(shown), name, strlen(name));
	snprintf(err, RULES_ERRLEN, "%s: %s", shown, msg);
	return error;
}

/* --- back to text --- */

/* snprintf at buf+n, for a buffer that may be full already. */
static size_t __attribute__((format(printf, 4, 5)))
put(char *buf, size_t len, size_t n, const char *fmt, ...)
{
	va_list ap;
	int more;

	va_start(ap, fmt);
	more = vsnprintf(n < len ? buf + n : NULL, n < len ? len - n : 0, fmt, ap);
	va_end(ap);
	return n + (size_t)(more > 0 ? more : 0);
}

static size_t
put_address(char *buf, size_t len, size_t n, const struct rule *r)
{
	char ip[INET6_ADDRSTRLEN];
	unsigned full = r->family == 6 ? 128 : 32;

	if (r->family == 0)
		return put(buf, len, n, "*");
	inet_ntop(r->family == 6 ? AF_INET6 : AF_INET, r->ip, ip, sizeof(ip));
	n = put(buf, len, n, r->family == 6 ? "[%s]" : "%s", ip);
	return r->prefix == full ? n : put(buf, len, n, "/%u", r->prefix);
}

static size_t
put_ports(char *buf, size_t len, size_t n, const struct rule *r)
{
	if (r->nports == 1 && r->ports[0].first == 1 && r->ports[0].last == 65535)
		return put(buf, len, n, "*");
	for (size_t i = 0; i < r->nports; i++) {
		n = put(buf, len, n, "%s%u", i > 0 ? "," : "", r->ports[i].first);
		if (r->ports[i].last != r->ports[i].first)
			n = put(buf, len, n, "-%u", r->ports[i].last);
	}
	return n;
}

size_t
rules_format(const struct rules *t, size_t i, char *buf, size_t len)
{
	const struct rule *r = &t->rule[i];
	char value[WORD_MAX];
	size_t n;

	n = put(buf, len, 0, "%s %s ", action_words[r->action], role_words[r->role]);
	n = put_address(buf, len, n, r);
	n = put(buf, len, n, ":");
	n = put_ports(buf, len, n, r);
	if (r->program != NULL)
		n = put(buf, len, n, " program=%s", r->program);
	for (unsigned o = 0; r->opts != NULL && o < RULES_OPT_COUNT; o++)
		if ((r->opts->set & 1u << o) != 0) {
			rules_option_value(r->opts, (enum rules_option)o, value, sizeof(value));
			n = put(buf, len, n, " %s=%s", rules_option_name((enum rules_option)o), value);
		}
	return n;
}
