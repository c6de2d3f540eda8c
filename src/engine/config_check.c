#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/error.h"
#include "../core/keys.h"
#include "config_int.h"

#define HAS(o, opt) (((o)->set & 1u << (opt)) != 0)
#define WHERE_MAX 160

int
config_fail(char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return KCPSHIM_E_FORMAT;
}

/* --- files --- */

static int
read_all(int fd, char *text, size_t size, size_t *len)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, text + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*len = n;
	return 0;
}

static int
open_regular(const char *path, size_t max, struct stat *st, int *fd, char *err, size_t errlen)
{
	/* O_NONBLOCK: a FIFO must not hold the program up before it is refused. */
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0 || fstat(*fd, st) != 0)
		return config_fail(err, errlen, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st->st_mode))
		return config_fail(err, errlen, "%s: not a regular file", path);
	if (st->st_size > (off_t)max)
		return config_fail(err, errlen, "%s: larger than %zu bytes", path, max);
	return KCPSHIM_OK;
}

static int
slurp(const char *path, size_t max, struct stat *st, char **text, size_t *len, char *err, size_t errlen)
{
	int fd = -1, error, sys;

	*text = NULL;
	error = open_regular(path, max, st, &fd, err, errlen);
	if (error != KCPSHIM_OK)
		goto out;
	*text = malloc(max + 2);
	if (*text == NULL) {
		error = config_fail(err, errlen, "%s: out of memory", path);
		goto out;
	}
	/* One byte more than allowed shows a file that grew. */
	sys = read_all(fd, *text, max + 1, len);
	if (sys != 0)
		error = config_fail(err, errlen, "%s: %s", path, strerror(sys));
	else if (*len > max)
		error = config_fail(err, errlen, "%s: larger than %zu bytes", path, max);
	else
		(*text)[*len] = '\0';
out:
	if (error != KCPSHIM_OK && *text != NULL) {
		config_wipe_file(*text, max);
		*text = NULL;
	}
	if (fd >= 0)
		close(fd);
	return error;
}

int
config_read_file(const char *path, size_t max, enum config_missing missing, char **text, size_t *len,
    char *err, size_t errlen)
{
	struct stat st;

	*text = NULL;
	if (missing != CONFIG_MISSING_ERROR && stat(path, &st) != 0 &&
	    (errno == ENOENT || errno == ENOTDIR || (errno == EACCES && missing == CONFIG_MISSING_OR_FORBIDDEN)))
		return KCPSHIM_OK;
	return slurp(path, max, &st, text, len, err, errlen);
}

void
config_wipe_file(char *text, size_t len)
{
	explicit_bzero(text, len);
	free(text);
}

/* As ssh(1): the owner's file must be the owner's alone. Another owner (root) may share it with a group, never with all. */
static int
secret_mode(const char *where, const char *path, const struct stat *st, char *err, size_t errlen)
{
	mode_t open_to = st->st_uid == geteuid() ? 077 : 007;

	if ((st->st_mode & open_to) == 0)
		return KCPSHIM_OK;
	return config_fail(err, errlen, "%s: %s: permissions %04o are too open, use chmod 600", where, path,
	    (unsigned)(st->st_mode & 07777));
}

/* `keys`: a key file as kcpshim(7) describes it; else one secret, taken as it stands. */
static int
check_secret_file(const char *where, const char *path, bool keys, char *err, size_t errlen)
{
	char *text = NULL, msg[RULES_ERRLEN];
	struct stat st;
	size_t len = 0;
	int error = slurp(path, keys ? KEYS_FILE_MAX : CONFIG_SECRET_MAX, &st, &text, &len, msg, sizeof(msg));

	if (error != KCPSHIM_OK)
		return config_fail(err, errlen, "%s: %s", where, msg);
	error = secret_mode(where, path, &st, err, errlen);
	if (error == KCPSHIM_OK && len == 0)
		error = config_fail(err, errlen, "%s: %s: is empty", where, path);
	if (error == KCPSHIM_OK && keys && session_keys_check(path, text, len, msg, sizeof(msg)) != KCPSHIM_OK)
		error = config_fail(err, errlen, "%s: %s", where, msg);
	config_wipe_file(text, len);
	return error;
}

/* --- what fits together --- */

static bool
has_key(const struct rules_options *o)
{
	return HAS(o, RULES_OPT_KEY) || HAS(o, RULES_OPT_KEY_FILE);
}

static bool
has_salt(const struct rules_options *o)
{
	return HAS(o, RULES_OPT_SALT) || HAS(o, RULES_OPT_SALT_FILE);
}

static bool
uses_salt(const struct rules_options *o)
{
	return o->crypto == RULES_CRYPTO_AES_CBC || o->crypto == RULES_CRYPTO_PLUGIN;
}

/* `all`: the options in force; `own`: those given in this very place. NULL, or what is wrong. */
static const char *
conflict(const struct rules_options *all, const struct rules_options *own)
{
	bool plain = all->wire == RULES_WIRE_PLAIN;

	if (HAS(own, RULES_OPT_KEY) && HAS(own, RULES_OPT_KEY_FILE))
		return "key and key_file exclude each other";
	if ((HAS(own, RULES_OPT_KEY_FILE) && own->key_file[0] != '/') ||
	    (HAS(own, RULES_OPT_SALT_FILE) && own->salt_file[0] != '/'))
		return "key_file and salt_file need absolute paths in a rule";
	if (HAS(own, RULES_OPT_SALT) && HAS(own, RULES_OPT_SALT_FILE))
		return "salt and salt_file exclude each other";
	if (!plain && all->crypto == RULES_CRYPTO_AES_CBC)
		return "crypto=aes-cbc needs wire=plain";
	if (!plain && all->crypto == RULES_CRYPTO_PLUGIN)
		return "crypto=plugin needs wire=plain";
	if (plain && all->crypto == RULES_CRYPTO_AEAD)
		return "crypto=aead needs wire=session";
	if (all->crypto == RULES_CRYPTO_AES_CBC && (!has_key(all) || !has_salt(all)))
		return "crypto=aes-cbc needs a key (key_file or key) and a salt (salt_file or salt)";
	if (plain && all->crypto == RULES_CRYPTO_AUTO && has_key(all))
		return "wire=plain with a key needs crypto=aes-cbc, or crypto=none to leave the key unused";
	if (own->crypto == RULES_CRYPTO_NONE && HAS(own, RULES_OPT_CRYPTO) && has_key(own))
		return "crypto=none leaves the key unused";
	if (has_salt(own) && !uses_salt(all) && own != all)
		return "a salt is used with crypto=aes-cbc or a plugin only";
	if (plain && HAS(all, RULES_OPT_FEC) && all->fec == RULES_FEC_AUTO)
		return "fec=auto needs wire=session: a plain peer has to know the groups beforehand";
	if (plain && HAS(own, RULES_OPT_ECN) && own->ecn)
		return "ecn=on needs wire=session: a plain peer has no way to tell what came marked";
	if (!plain && HAS(all, RULES_OPT_STREAM) && !all->stream)
		return "stream=0 needs wire=plain";
	if (!plain && HAS(all, RULES_OPT_OPEN) && all->open_empty_push)
		return "open=empty-push needs wire=plain";
	return NULL;
}

/* NULL, or what this version does not do yet. */
static const char *
missing(const struct rules_options *all, enum rules_role role)
{
	if ((role & RULES_CONNECT) != 0 && HAS(all, RULES_OPT_UDP_PORT) && all->udp_port != 0)
		return "udp_port is supported for role listen only in this version";
	return NULL;
}

static int
check_options(const char *where, enum rules_role role, const struct rules_options *all, const struct rules_options *own,
    char *err, size_t errlen)
{
	const char *why = conflict(all, own);
	bool keys = all->crypto != RULES_CRYPTO_AES_CBC && all->crypto != RULES_CRYPTO_PLUGIN;
	int error = KCPSHIM_OK;

	if (why != NULL)
		return config_fail(err, errlen, "%s: %s", where, why);
	if (HAS(all, RULES_OPT_KEY_FILE))
		error = check_secret_file(where, all->key_file, keys, err, errlen);
	if (error == KCPSHIM_OK && HAS(all, RULES_OPT_SALT_FILE))
		error = check_secret_file(where, all->salt_file, false, err, errlen);
	if (error == KCPSHIM_OK && all->crypto == RULES_CRYPTO_PLUGIN && access(all->plugin, R_OK) != 0)
		error = config_fail(err, errlen, "%s: %s: %s", where, all->plugin, strerror(errno));
	why = missing(all, role);
	if (error == KCPSHIM_OK && why != NULL)
		error = config_fail(err, errlen, "%s: %s", where, why);
	return error;
}

int
config_check(const struct config *c, char *err, size_t errlen)
{
	static const struct rules_options none;
	struct rules_options all;
	struct rules_entry e;
	char where[WHERE_MAX];
	bool used = false;
	int error = KCPSHIM_OK;

	for (size_t i = 0; error == KCPSHIM_OK && rules_entry(c->rules, i, &e); i++) {
		snprintf(where, sizeof(where), "%s:%u", e.name, e.line);
		if (e.action == RULES_TCP)
			continue;
		used = true;
		all = c->base;
		rules_options_merge(&all, e.opts != NULL ? e.opts : &none);
		error = check_options(where, e.role, &all, e.opts != NULL ? e.opts : &none, err, errlen);
	}
	if (error == KCPSHIM_OK && !used)
		error = check_options("environment", RULES_LISTEN, &c->base, &c->base, err, errlen);
	explicit_bzero(&all, sizeof(all));
	return error;
}
