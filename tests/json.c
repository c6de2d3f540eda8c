#include "json.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const char *at, *end;
};

static struct json *read_value(struct reader *);

static void
skip_space(struct reader *r)
{
	while (r->at < r->end && strchr(" \t\r\n", *r->at) != NULL)
		r->at++;
}

static bool
accept_char(struct reader *r, char c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool
accept_word(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

static char *
read_string(struct reader *r)
{
	char *text, *to;

	if (!accept_char(r, '"'))
		return NULL;
	to = text = malloc((size_t)(r->end - r->at) + 1);
	if (text == NULL)
		err(1, "malloc");
	while (r->at < r->end && *r->at != '"') {
		char c = *r->at++;

		if (c == '\\' && r->at < r->end) {
			char escaped = *r->at++;

			c = escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped;
			if (strchr("\"\\/nt", escaped) == NULL)
				*to++ = '\\';
		}
		*to++ = c;
	}
	*to++ = '\0';
	if (!accept_char(r, '"')) {
		free(text);
		return NULL;
	}
	return realloc(text, (size_t)(to - text));
}

static bool
read_members(struct reader *r, struct json *parent, char close)
{
	struct json **tail = &parent->child;

	if (accept_char(r, close))
		return true;
	do {
		char *name = NULL;

		if (close == '}') {
			name = read_string(r);
			if (name == NULL || !accept_char(r, ':')) {
				free(name);
				return false;
			}
		}
		*tail = read_value(r);
		if (*tail == NULL) {
			free(name);
			return false;
		}
		(*tail)->name = name;
		tail = &(*tail)->next;
	} while (accept_char(r, ','));
	return accept_char(r, close);
}

static bool
read_number(struct reader *r, struct json *v)
{
	char text[64], *stop;
	size_t len = (size_t)(r->end - r->at) < sizeof text - 1 ? (size_t)(r->end - r->at) : sizeof text - 1;

	memcpy(text, r->at, len);
	text[len] = '\0';
	v->number = strtod(text, &stop);
	r->at += stop - text;
	return stop != text;
}

static bool
read_into(struct reader *r, struct json *v)
{
	skip_space(r);
	if (r->at == r->end)
		return false;
	switch (*r->at) {
	case '{':
		r->at++;
		v->type = JSON_OBJECT;
		return read_members(r, v, '}');
	case '[':
		r->at++;
		v->type = JSON_ARRAY;
		return read_members(r, v, ']');
	case '"':
		v->type = JSON_STRING;
		v->string = read_string(r);
		return v->string != NULL;
	case 't':
		v->type = JSON_BOOL;
		v->number = 1;
		return accept_word(r, "true");
	case 'f':
		v->type = JSON_BOOL;
		return accept_word(r, "false");
	case 'n':
		return accept_word(r, "null");
	default:
		v->type = JSON_NUMBER;
		return read_number(r, v);
	}
}

static struct json *
read_value(struct reader *r)
{
	struct json *v = calloc(1, sizeof *v);

	if (v == NULL)
		err(1, "calloc");
	if (!read_into(r, v)) {
		json_free(v);
		return NULL;
	}
	return v;
}

struct json *
json_parse(const char *text, size_t len)
{
	struct reader r = { text, text + len };
	struct json *v = read_value(&r);

	skip_space(&r);
	if (v != NULL && r.at != r.end) {
		json_free(v);
		return NULL;
	}
	return v;
}

void
json_free(struct json *v)
{
	while (v != NULL) {
		struct json *next = v->next;

		json_free(v->child);
		free(v->name);
		free(v->string);
		free(v);
		v = next;
	}
}

static char *
read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t got;

	*len = 0;
	if (f == NULL)
		err(1, "%s", path);
	do {
		text = realloc(text, *len + 65536);
		if (text == NULL)
			err(1, "realloc");
		got = fread(text + *len, 1, 65536, f);
		*len += got;
	} while (got > 0);
	fclose(f);
	return text;
}

struct json *
json_load_vectors(const char *name)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	struct json *v;
	char *text;
	size_t len;

	snprintf(path, sizeof path, "%s/tests/vectors/%s", top != NULL ? top : ".", name);
	text = read_file(path, &len);
	v = json_parse(text, len);
	if (v == NULL)
		errx(1, "%s: not JSON", path);
	free(text);
	return v;
}

const struct json *
json_get(const struct json *object, const char *name)
{
	if (object == NULL || object->type != JSON_OBJECT)
		return NULL;
	for (const struct json *v = object->child; v != NULL; v = v->next) {
		if (strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

const char *
json_text(const struct json *object, const char *name)
{
	const struct json *v = json_get(object, name);

	return v != NULL && v->type == JSON_STRING ? v->string : "";
}

double
json_number(const struct json *object, const char *name)
{
	const struct json *v = json_get(object, name);

	return v != NULL ? v->number : 0;
}

size_t
json_length(const struct json *array)
{
	size_t n = 0;

	for (const struct json *v = array != NULL ? array->child : NULL; v != NULL; v = v->next)
		n++;
	return n;
}

long
hex_decode(const char *text, uint8_t *out, size_t cap)
{
	size_t n = strlen(text) / 2;

	if (strlen(text) % 2 != 0 || n > cap)
		return -1;
	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		if (strspn(text + 2 * i, "0123456789abcdefABCDEF") < 2 || sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -1;
		out[i] = (uint8_t)byte;
	}
	return (long)n;
}

size_t
json_hex(const struct json *object, const char *name, uint8_t *out, size_t cap)
{
	const struct json *v = json_get(object, name);
	long n = v != NULL && v->type == JSON_STRING ? hex_decode(v->string, out, cap) : -1;

	if (n < 0)
		errx(1, "member %s: no hexadecimal text of at most %zu bytes", name, cap);
	return (size_t)n;
}
