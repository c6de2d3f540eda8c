/* seal_plugin: a user's own cipher (include/kcpshim-plugin.h) behind seal.h. The engine loads it; the core gets the functions. */
#ifndef KCPSHIM_SEAL_PLUGIN_H
#define KCPSHIM_SEAL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "seal.h"

struct kcpshim_plugin;

/* Longest datagram that goes through a plugin, bytes: both forms pass through a buffer of the seal. */
#define SEAL_PLUGIN_DATAGRAM_MAX 65535u

/* Whether this build can use the plugin: 0, or KCPSHIM_E_VERSION (another ABI), _RANGE (overhead), _FORMAT (a function or the
 * name is missing), with one line in err that names `path`. */
int seal_plugin_check(const struct kcpshim_plugin *, const char *path, char *err, size_t errlen);

/* Both directions, with a context of its own made from key and salt. `plugin` outlives the seal.
 * NULL: no memory, or the plugin refused; then err holds one line ("" without memory). */
struct seal *seal_plugin_new(struct mem *, const struct kcpshim_plugin *, const uint8_t *key, size_t key_len,
    const uint8_t *salt, size_t salt_len, char *err, size_t errlen);

#endif
