#include "keyfile.h"

#include <stdio.h>
#include <string.h>

#include <nettle/base16.h>
#include <nettle/base64.h>

#include "error.h"
#include "traffic.h"

#define HEX_LEN (2 * KEYS_PSK_LEN)
#define BASE64_LEN 44u

static const char passphrase_prefix[] = "pbkdf2:";

void
keyfile_init(struct keyfile *file, const char *text, size_t len)
{
	file->at = text;
	file->end = text + len;
	file->number = 0;
	file->problem = NULL;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool
keyfile_name_valid(const char *name, size_t len)
{
	if (len == 0 || len >= KEYS_NAME_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '.' || c == '_' || c == '@' || c == '-'))
			return false;
	}
	return true;
}

static bool
decode_hex(uint8_t psk[KEYS_PSK_LEN], const char *text)
{
	struct base16_decode_ctx ctx;
	size_t n = KEYS_PSK_LEN;

	base16_decode_init(&ctx);
	return base16_decode_update(&ctx, &n, psk, HEX_LEN, text) && base16_decode_final(&ctx) && n == KEYS_PSK_LEN;
}

static bool
decode_base64(uint8_t psk[KEYS_PSK_LEN], const char *text, size_t len)
{
	struct base64_decode_ctx ctx;
	uint8_t out[BASE64_DECODE_LENGTH(BASE64_LEN)];
	char padded[BASE64_LEN];
	size_t n = sizeof out;
	bool ok;

	memcpy(padded, text, len);
	if (len == BASE64_LEN - 1)
		padded[len] = '=';
	base64_decode_init(&ctx);
	ok = base64_decode_update(&ctx, &n, out, BASE64_LEN, padded) && base64_decode_final(&ctx) && n == KEYS_PSK_LEN;
	if (ok)
		memcpy(psk, out, KEYS_PSK_LEN);
	traffic_wipe(out, sizeof out);
	traffic_wipe(padded, sizeof padded);
	return ok;
}

bool
keyfile_decode(uint8_t psk[KEYS_PSK_LEN], const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		/* nettle's decoders skip white space; a key has none. */
		if (text[i] == '\0' || text[i] == '\n' || is_blank(text[i]))
			return false;
	}
	if (len == HEX_LEN)
		return decode_hex(psk, text);
	if (len == BASE64_LEN || len == BASE64_LEN - 1)
		return decode_base64(psk, text, len);
	return false;
}

/* Takes the next line without its end and the blanks around it. */
static bool
take_line(struct keyfile *file, const char **start, const char **stop)
{
	const char *newline;

	if (file->at == file->end)
		return false;
	newline = memchr(file->at, '\n', (size_t)(file->end - file->at));
	*start = file->at;
	*stop = newline != NULL ? newline : file->end;
	file->at = newline != NULL ? newline + 1 : file->end;
	file->number++;
	while (*start < *stop && is_blank(**start))
		(*start)++;
	while (*start < *stop && is_blank((*stop)[-1]))
		(*stop)--;
	return true;
}

static int
bad(struct keyfile *file, const char *problem)
{
	file->problem = problem;
	return KCPSHIM_E_FORMAT;
}

static int
parse_secret(struct keyfile *file, struct keyfile_line *line, const char *start, const char *stop)
{
	size_t len = (size_t)(stop - start), prefix = sizeof passphrase_prefix - 1;

	if (len >= prefix && memcmp(start, passphrase_prefix, prefix) == 0) {
		if (len == prefix)
			return bad(file, "the passphrase is empty");
		line->passphrase = start + prefix;
		line->passphrase_len = len - prefix;
		return 1;
	}
	if (!keyfile_decode(line->psk, start, len))
		return bad(file, "not a key: 32 bytes in hexadecimal or base64, or pbkdf2:PASSPHRASE, are expected");
	return 1;
}

/* A line without blanks, or one that starts with "pbkdf2:", has no name. */
static int
parse_line(struct keyfile *file, struct keyfile_line *line, const char *start, const char *stop)
{
	size_t len = (size_t)(stop - start), prefix = sizeof passphrase_prefix - 1;
	const char *blank = start;

	memset(line, 0, sizeof *line);
	line->number = file->number;
	if (memchr(start, '\0', len) != NULL)
		return bad(file, "the line holds a NUL byte");
	while (blank < stop && !is_blank(*blank))
		blank++;
	if (blank == stop || (len >= prefix && memcmp(start, passphrase_prefix, prefix) == 0)) {
		line->bare = true;
		memcpy(line->name, KEYFILE_DEFAULT_NAME, sizeof KEYFILE_DEFAULT_NAME);
		return parse_secret(file, line, start, stop);
	}
	if (!keyfile_name_valid(start, (size_t)(blank - start)))
		return bad(file, "the name is not 1 to 31 of A-Z a-z 0-9 . _ @ -");
	memcpy(line->name, start, (size_t)(blank - start));
	while (is_blank(*blank))
		blank++;
	return parse_secret(file, line, blank, stop);
}

int
keyfile_next(struct keyfile *file, struct keyfile_line *line)
{
	const char *start, *stop;

	while (take_line(file, &start, &stop)) {
		if (start != stop && *start != '#')
			return parse_line(file, line, start, stop);
	}
	return 0;
}

/* The line, before line `until`, that has this name already; 0: none. */
static unsigned
name_taken(const char *text, size_t len, const char *name, unsigned until)
{
	struct keyfile file;
	struct keyfile_line line;
	unsigned found = 0;

	keyfile_init(&file, text, len);
	while (found == 0 && keyfile_next(&file, &line) > 0 && line.number < until) {
		if (strcmp(line.name, name) == 0)
			found = line.number;
	}
	traffic_wipe(&line, sizeof line);
	return found;
}

/* What the lines before it forbid; NULL: nothing. */
static const char *
conflict(const struct keyfile_line *line, int count, bool had_bare, unsigned passphrases)
{
	if (count > 0 && (line->bare || had_bare))
		return "a key without a name has to be the only one";
	if (count == (int)KEYS_COUNT_MAX)
		return "too many keys";
	if (passphrases > KEYS_PASSPHRASES_MAX)
		return "too many passphrases";
	return NULL;
}

static int
check_lines(struct keyfile *file, const char *text, size_t len)
{
	struct keyfile_line line;
	unsigned passphrases = 0;
	bool had_bare = false;
	int count = 0, ret;

	while ((ret = keyfile_next(file, &line)) > 0) {
		passphrases += line.passphrase != NULL;
		file->problem = conflict(&line, count, had_bare, passphrases);
		if (file->problem == NULL && name_taken(text, len, line.name, line.number) != 0)
			file->problem = "the name is taken by a line above";
		had_bare = line.bare;
		traffic_wipe(&line, sizeof line);
		if (file->problem != NULL)
			return KCPSHIM_E_FORMAT;
		count++;
	}
	return ret < 0 ? ret : count;
}

int
keyfile_check(const char *name, const char *text, size_t len, char *err, size_t errlen)
{
	struct keyfile file;
	int count;

	if (len > KEYS_FILE_MAX) {
		snprintf(err, errlen, "%s: larger than %u bytes", name, KEYS_FILE_MAX);
		return KCPSHIM_E_RANGE;
	}
	keyfile_init(&file, text, len);
	count = check_lines(&file, text, len);
	if (count < 0)
		snprintf(err, errlen, "%s:%u: %s", name, file.number, file.problem);
	if (count == 0) {
		snprintf(err, errlen, "%s: no key in it", name);
		return KCPSHIM_E_FORMAT;
	}
	return count;
}
