/* resetkey: the secret from which a server without pre-shared keys makes its RESETs, kept where its next run finds it. */
#ifndef KCPSHIM_RESETKEY_H
#define KCPSHIM_RESETKEY_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/reset_token.h"

#define RESETKEY_FILE "kcpshim-reset-secret"

/* Reads RESETKEY_FILE in `dir`, XDG_RUNTIME_DIR of the user, and makes it when there is none. False: `dir` is empty, or the file
 * is not the user's own, or accessible to others, or cannot be made; `secret` is undefined. */
bool resetkey_load(const char *dir, uint8_t secret[RESET_SECRET_LEN]);

#endif
