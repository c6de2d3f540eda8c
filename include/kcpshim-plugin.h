/* kcpshim-plugin: the C interface of crypto=plugin:/path.so, a user's own cipher over one datagram.
 *
 * The shared object exports one symbol:
 *
 *	const struct kcpshim_plugin kcpshim_plugin = { KCPSHIM_PLUGIN_ABI, sizeof(struct kcpshim_plugin), "name", ... };
 *
 * kcpshim loads it with dlopen(RTLD_NOW | RTLD_LOCAL) into the program it serves and calls it in its own thread only, one
 * call at a time for one context. A plugin must not write to any descriptor, change signal handling or block, and it has to
 * keep working in a process that was forked from the one that loaded it.
 */
#ifndef KCPSHIM_PLUGIN_H
#define KCPSHIM_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KCPSHIM_PLUGIN_ABI 1u
#define KCPSHIM_PLUGIN_SYMBOL "kcpshim_plugin"
/* The largest overhead a plugin may declare, bytes. */
#define KCPSHIM_PLUGIN_OVERHEAD_MAX 64u

struct kcpshim_plugin {
	uint32_t abi;       /* KCPSHIM_PLUGIN_ABI */
	uint32_t size;      /* sizeof(struct kcpshim_plugin) as the plugin was compiled */
	const char *name;   /* for messages and kcpctl; at most 23 bytes are shown */
	uint32_t overhead;  /* bytes by which a sealed datagram is longer than its plaintext at most, 0..64 */
	uint32_t reserved;  /* 0 */

	/* A context from the bytes of the key (KCPSHIM_KEY or the key file, as given; key_len may be 0) and of the salt.
	 * NULL: refused; then err[0..errlen) holds one line that says why. Called at least once per session. */
	void *(*context_new)(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, char *err, size_t errlen);
	/* Wipes and frees a context. NULL is never passed. */
	void (*context_free)(void *context);

	/* Writes the sealed form of in[0..in_len) to out[0..out_cap); out_cap >= in_len + overhead. The buffers do not overlap.
	 * `random`: 16 fresh random bytes of this datagram. Returns the length written, or negative: nothing is sent. */
	int (*encrypt)(void *context, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap, const uint8_t random[16]);
	/* The reverse; out_cap >= in_len. Negative: the datagram is not genuine, and is dropped. */
	int (*decrypt)(void *context, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap);
};

#ifdef __cplusplus
}
#endif

#endif
