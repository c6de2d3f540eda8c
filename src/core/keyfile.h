/* keyfile: the text of a key file, line by line; the grammar is in keys.h. No memory, and nothing is derived. */
#ifndef KCPSHIM_KEYFILE_H
#define KCPSHIM_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys.h"

#define KEYFILE_DEFAULT_NAME "default"

struct keyfile {
	const char *at, *end;
	unsigned number;        /* of the line read last, from 1 */
	const char *problem;    /* after an error: what is wrong, static text */
};

/* One key. Holds a secret: wipe it after use. */
struct keyfile_line {
	unsigned number;
	bool bare;                   /* KEY without a name */
	char name[KEYS_NAME_LEN];
	uint8_t psk[KEYS_PSK_LEN];   /* unless passphrase != NULL */
	const char *passphrase;      /* inside the text */
	size_t passphrase_len;
};

void keyfile_init(struct keyfile *, const char *text, size_t len);
/* 1: the next key. 0: end. KCPSHIM_E_FORMAT: see ->problem; the line is skipped. */
int keyfile_next(struct keyfile *, struct keyfile_line *);
/* Reads a whole text. The number of keys (>= 1), or the error of session_keys_load() with its message in err. */
int keyfile_check(const char *name, const char *text, size_t len, char *err, size_t errlen);
/* 32 bytes from 64 hexadecimal digits or base64, padded or not. */
bool keyfile_decode(uint8_t psk[KEYS_PSK_LEN], const char *text, size_t len);
bool keyfile_name_valid(const char *name, size_t len);

#endif
