#include "json.h"

#include <inttypes.h>
#include <string.h>

/* Length of the UTF-8 sequence at s (RFC 3629: no overlong form, no surrogate, at most U+10FFFF); 0 when it is none. */
static size_t
utf8_length(const unsigned char *s, size_t len)
{
	static const struct { unsigned char first, last, low, high; size_t len; } forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t n = forms[i].len;

		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (n > len || (n > 1 && (s[1] < forms[i].low || s[1] > forms[i].high)))
			return 0;
		for (size_t k = 2; k < n; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return n;
	}
	return 0;
}

static void
put_string(FILE *out, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	len = strnlen(text, len);
	putc('"', out);
	for (; len > 0; s += n, len -= n) {
		n = utf8_length(s, len);
		if (n == 0) {
			fputs("\\ufffd", out);
			n = 1;
		} else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite(s, 1, n, out);
	}
	putc('"', out);
}

static void
put_name(struct json *j, const char *name)
{
	if (j->members++ > 0)
		putc(',', j->out);
	put_string(j->out, name, strlen(name));
	putc(':', j->out);
}

void
json_object(struct json *j, FILE *out)
{
	j->out = out;
	j->members = 0;
	putc('{', out);
}

void
json_end(struct json *j)
{
	putc('}', j->out);
}

void
json_string(struct json *j, const char *name, const char *text, size_t len)
{
	put_name(j, name);
	put_string(j->out, text, len);
}

void
json_number(struct json *j, const char *name, uint64_t value)
{
	put_name(j, name);
	fprintf(j->out, "%" PRIu64, value);
}

void
json_bool(struct json *j, const char *name, int value)
{
	put_name(j, name);
	fputs(value ? "true" : "false", j->out);
}

void
json_null(struct json *j, const char *name)
{
	put_name(j, name);
	fputs("null", j->out);
}
