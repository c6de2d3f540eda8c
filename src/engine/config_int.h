/* config_int: what config.c and config_check.c share. */
#ifndef KCPSHIM_CONFIG_INT_H
#define KCPSHIM_CONFIG_INT_H

#include "config.h"

#define CONFIG_ENV "KCPSHIM_"
#define CONFIG_RULES_MAX (1u << 20)  /* bytes of a rules file */
#define CONFIG_SECRET_MAX 256u       /* bytes of a salt file, or of the key file of aes-cbc or a plugin */

/* What a file that is not there means. */
enum config_missing {
	CONFIG_MISSING_ERROR,
	CONFIG_MISSING_OK,
	CONFIG_MISSING_OR_FORBIDDEN,     /* nor is it an error when its directory is closed to this user */
};

/* One line into err; returns KCPSHIM_E_FORMAT. */
int config_fail(char *err, size_t errlen, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Reads a regular file of at most `max` bytes. *text is malloc'ed, NUL behind *len; give it to config_wipe_file().
 * A file that may be missing, and is, gives 0 and *text NULL. */
int config_read_file(const char *path, size_t max, enum config_missing, char **text, size_t *len,
    char *err, size_t errlen);
void config_wipe_file(char *text, size_t len);
/* Whether this version can do what the rules and the environment ask, together; reads the key and salt files. */
int config_check(const struct config *, char *err, size_t errlen);

#endif
