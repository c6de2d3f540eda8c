/* json: writes one flat object, members in the order of the calls. */
#ifndef KCPSHIM_JSON_H
#define KCPSHIM_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	int members;
};

void json_object(struct json *, FILE *out);
void json_end(struct json *);
/* text[0..len), up to its first NUL; bytes that are not UTF-8 become U+FFFD. */
void json_string(struct json *, const char *name, const char *text, size_t len);
void json_number(struct json *, const char *name, uint64_t value);
void json_bool(struct json *, const char *name, int value);
void json_null(struct json *, const char *name);

#endif
