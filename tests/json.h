/* json: a small reader for the vector files under tests/vectors, so that tests in C need no library for it. */
#ifndef KCPSHIM_TESTS_JSON_H
#define KCPSHIM_TESTS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	char *name;            /* inside an object */
	char *string;          /* JSON_STRING: its text; escapes other than \" \\ \/ \n \t are kept as written */
	double number;         /* JSON_NUMBER; JSON_BOOL: 0 or 1 */
	struct json *child;    /* first element or member */
	struct json *next;
};

/* Reads "<top_srcdir>/tests/vectors/NAME" (top_srcdir from the environment, else "."). Exits with a message when it cannot. */
struct json *json_load_vectors(const char *name);
/* NULL when the text is not JSON. */
struct json *json_parse(const char *text, size_t len);
void json_free(struct json *);

/* A member, or NULL. */
const struct json *json_get(const struct json *object, const char *name);
/* Text of a string member, "" when there is none. */
const char *json_text(const struct json *object, const char *name);
/* Number of a member, 0 when there is none. */
double json_number(const struct json *object, const char *name);
size_t json_length(const struct json *array);
/* Hexadecimal string member into out[0..cap); returns the bytes, exits with a message when it is none or too long. */
size_t json_hex(const struct json *object, const char *name, uint8_t *out, size_t cap);
/* Hexadecimal text into out[0..cap); the bytes, or -1. */
long hex_decode(const char *text, uint8_t *out, size_t cap);

#endif
