#include "keyring.h"

#include <bsd/string.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../core/error.h"
#include "../core/keys.h"
#include "../core/mem.h"
#include "../core/rules.h"
#include "../core/seal_aiokcp.h"
#include "../core/seal_plugin.h"
#include "log.h"

#define KEYRING_LOOK_US UINT64_C(1000000) /* how often key files are looked at while datagrams come */

/* One set of keys, named by all that it was made from. */
struct keyring_entry {
	enum rules_crypto crypto;
	char plugin[sizeof(((struct rules_options *)0)->plugin)];
	char key_file[sizeof(((struct rules_options *)0)->key_file)];
	char salt_file[sizeof(((struct rules_options *)0)->salt_file)];
	char key[sizeof(((struct rules_options *)0)->key)];
	char salt[sizeof(((struct rules_options *)0)->salt)];
	struct timespec mtime;
	ino_t ino;
	struct session_keys *keys;
	struct keyring_entry *next;
};

/* Bytes of a key or salt file; a trailing newline is not part of a secret. Length, or -1 with errno. */
static ssize_t
keyring_read(const char *path, uint8_t *buf, size_t cap, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), saved;
	size_t have = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, st) != 0)
		n = -1;
	while (n >= 0 && have < cap && (n = read(fd, buf + have, cap - have)) > 0)
		have += (size_t)n;
	saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : (ssize_t)have;
}

static size_t
keyring_trim(const uint8_t *buf, size_t len)
{
	if (len > 0 && buf[len - 1] == '\n')
		len--;
	if (len > 0 && buf[len - 1] == '\r')
		len--;
	return len;
}

/* The secret of a file or, without a file, the text itself. */
static int
keyring_secret(const char *file, const char *text, uint8_t *buf, size_t cap, size_t *len)
{
	struct stat st;
	ssize_t n;

	if (file[0] == '\0') {
		*len = strlcpy((char *)buf, text, cap);
		return 0;
	}
	if ((n = keyring_read(file, buf, cap, &st)) < 0) {
		log_error("%s: %s", file, strerror(errno));
		return KCPSHIM_E_UNKNOWN;
	}
	*len = keyring_trim(buf, (size_t)n);
	return 0;
}

static int
keyring_load_psk(struct loop *l, struct keyring_entry *e)
{
	char err[320];
	struct stat st;
	uint8_t *text;
	ssize_t n;
	int r;

	if (e->key_file[0] == '\0')
		return e->key[0] == '\0' ? 0 : session_keys_load_secret(e->keys, (const uint8_t *)e->key, strlen(e->key));
	if ((text = mem_alloc_raw(l->mem, KEYS_FILE_MAX + 1)) == NULL)
		return KCPSHIM_E_NOMEM;
	if ((n = keyring_read(e->key_file, text, KEYS_FILE_MAX + 1, &st)) < 0) {
		log_error("%s: %s", e->key_file, strerror(errno));
		r = KCPSHIM_E_UNKNOWN;
	} else {
		e->mtime = st.st_mtim;
		e->ino = st.st_ino;
		if ((r = session_keys_load(e->keys, e->key_file, (char *)text, (size_t)n, err, sizeof(err))) != 0)
			log_error("%s", err);
		explicit_bzero(text, (size_t)n);
	}
	mem_free(l->mem, text, KEYS_FILE_MAX + 1);
	return r;
}

static int
keyring_load_aiokcp(struct keyring_entry *e)
{
	uint8_t key[512], salt[512], out[SEAL_AIOKCP_KEY_LEN];
	size_t klen, slen;
	int r;

	if ((r = keyring_secret(e->key_file, e->key, key, sizeof(key), &klen)) == 0 &&
	    (r = keyring_secret(e->salt_file, e->salt, salt, sizeof(salt), &slen)) == 0) {
		seal_aiokcp_derive(out, key, klen, salt, slen);
		session_keys_set_aiokcp(e->keys, out);
	}
	explicit_bzero(key, sizeof(key));
	explicit_bzero(out, sizeof(out));
	return r;
}

static int
keyring_load_plugin(struct keyring_entry *e)
{
	uint8_t key[256], salt[256];
	size_t klen, slen;
	char err[320];
	const struct kcpshim_plugin *p;
	void *so = dlopen(e->plugin, RTLD_NOW | RTLD_LOCAL);
	int r;

	if (so == NULL) {
		log_error("%s", dlerror());
		return KCPSHIM_E_UNKNOWN;
	}
	if ((p = dlsym(so, "kcpshim_plugin")) == NULL) {
		log_error("%s: has no kcpshim_plugin", e->plugin);
		r = KCPSHIM_E_FORMAT;
	} else if ((r = seal_plugin_check(p, e->plugin, err, sizeof(err))) != 0)
		log_error("%s", err);
	else if ((r = keyring_secret(e->key_file, e->key, key, sizeof(key), &klen)) == 0 &&
	    (r = keyring_secret(e->salt_file, e->salt, salt, sizeof(salt), &slen)) == 0)
		r = session_keys_set_plugin(e->keys, p, key, klen, salt, slen);
	explicit_bzero(key, sizeof(key));
	if (r != 0)
		dlclose(so);
	return r;
}

static int
keyring_load(struct loop *l, struct keyring_entry *e)
{
	switch (e->crypto) {
	case RULES_CRYPTO_AES_CBC:
		return keyring_load_aiokcp(e);
	case RULES_CRYPTO_PLUGIN:
		return keyring_load_plugin(e);
	default:
		return keyring_load_psk(l, e);
	}
}

static bool
keyring_same(const struct keyring_entry *a, const struct keyring_entry *b)
{
	return a->crypto == b->crypto && strcmp(a->plugin, b->plugin) == 0 && strcmp(a->key_file, b->key_file) == 0 &&
	    strcmp(a->salt_file, b->salt_file) == 0 && strcmp(a->key, b->key) == 0 && strcmp(a->salt, b->salt) == 0;
}

static void
keyring_name(struct keyring_entry *e, const struct rules_options *o)
{
	e->crypto = o->set & (1u << RULES_OPT_CRYPTO) ? o->crypto : RULES_CRYPTO_AUTO;
	if (e->crypto == RULES_CRYPTO_PLUGIN)
		strlcpy(e->plugin, o->plugin, sizeof(e->plugin));
	if (o->set & (1u << RULES_OPT_KEY_FILE))
		strlcpy(e->key_file, o->key_file, sizeof(e->key_file));
	else if (o->set & (1u << RULES_OPT_KEY))
		strlcpy(e->key, o->key, sizeof(e->key));
	if (o->set & (1u << RULES_OPT_SALT_FILE))
		strlcpy(e->salt_file, o->salt_file, sizeof(e->salt_file));
	else if (o->set & (1u << RULES_OPT_SALT))
		strlcpy(e->salt, o->salt, sizeof(e->salt));
}

/* Key files are looked at again whenever a rule asks for them and, for listeners, before first flights are read. */
static void
keyring_refresh(struct loop *l, struct keyring_entry *e)
{
	struct stat st;

	if (e->key_file[0] == '\0' || e->crypto == RULES_CRYPTO_AES_CBC || e->crypto == RULES_CRYPTO_PLUGIN)
		return;
	if (stat(e->key_file, &st) != 0 || (st.st_ino == e->ino && st.st_mtim.tv_sec == e->mtime.tv_sec &&
	    st.st_mtim.tv_nsec == e->mtime.tv_nsec))
		return;
	if (keyring_load(l, e) == 0)
		log_info("%s: keys loaded again", e->key_file);
}

int
keyring_get(struct loop *l, const struct rules_options *o, struct session_keys **keys)
{
	struct keyring_entry *e = mem_alloc(l->mem, sizeof(*e)), *have;
	int r;

	*keys = NULL;
	if (e == NULL)
		return KCPSHIM_E_NOMEM;
	keyring_name(e, o);
	for (have = l->keyring; have != NULL; have = have->next)
		if (keyring_same(e, have))
			break;
	if (have != NULL) {
		mem_free(l->mem, e, sizeof(*e));
		keyring_refresh(l, have);
		*keys = have->keys;
		return 0;
	}
	if ((e->key_file[0] == '\0' && e->key[0] == '\0' && e->crypto != RULES_CRYPTO_PLUGIN) || e->crypto == RULES_CRYPTO_NONE) {
		mem_free(l->mem, e, sizeof(*e));
		return 0;
	}
	r = (e->keys = session_keys_new(l->mem)) == NULL ? KCPSHIM_E_NOMEM : keyring_load(l, e);
	if (r != 0) {
		session_keys_free(e->keys);
		explicit_bzero(e, sizeof(*e));
		mem_free(l->mem, e, sizeof(*e));
		return r;
	}
	e->next = l->keyring;
	l->keyring = e;
	*keys = e->keys;
	return 0;
}

void
keyring_refresh_due(struct loop *l)
{
	if (l->keyring == NULL || l->now - l->keyring_looked < KEYRING_LOOK_US)
		return;
	l->keyring_looked = l->now;
	for (struct keyring_entry *e = l->keyring; e != NULL; e = e->next)
		keyring_refresh(l, e);
}
