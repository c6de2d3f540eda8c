#include "config.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "../core/error.h"
#include "config_int.h"

/* Variables that are not options: they say where the rules and the log are. */
static const char *const plain_variables[] = {
	CONFIG_ENV "LIBRARY", CONFIG_ENV "LOG", CONFIG_ENV "PORTS", CONFIG_ENV "RULES", CONFIG_ENV "RULES_TEXT",
};

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

/* An empty variable counts as unset, so that one can be taken back where unsetting is not possible. */
static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* The name under which the program was executed, as ps(1) shows it but not cut: a script has its own name. */
static void
program_name(char *out, size_t size)
{
	const char *path = (const char *)getauxval(AT_EXECFN), *slash;
	char exe[1024];
	ssize_t n;

	if (path == NULL || *path == '\0' || strncmp(path, "/dev/fd/", 8) == 0) {
		n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		exe[n > 0 ? n : 0] = '\0';
		path = exe;
	}
	slash = strrchr(path, '/');
	strlcpy(out, slash != NULL ? slash + 1 : path, size);
}

static int
load_log(struct config *c, char *err, size_t errlen)
{
	static const char *const levels[] = { [CONFIG_LOG_NONE] = "none", [CONFIG_LOG_ERROR] = "error",
		[CONFIG_LOG_WARN] = "warn", [CONFIG_LOG_INFO] = "info", [CONFIG_LOG_DEBUG] = "debug" };
	const char *value = variable(CONFIG_ENV "LOG"), *colon;
	size_t len;

	c->log_level = CONFIG_LOG_ERROR;
	if (value == NULL)
		return KCPSHIM_OK;
	colon = strchr(value, ':');
	len = colon != NULL ? (size_t)(colon - value) : strlen(value);
	if (colon != NULL && (colon[1] == '\0' || strlen(colon + 1) >= sizeof(c->log_file)))
		return config_fail(err, errlen, "%s: the file name must have 1 to %zu bytes", CONFIG_ENV "LOG",
		    sizeof(c->log_file) - 1);
	if (colon != NULL)
		snprintf(c->log_file, sizeof(c->log_file), "%s", colon + 1);
	for (size_t i = 0; i < NELEM(levels); i++)
		if (strlen(levels[i]) == len && memcmp(levels[i], value, len) == 0) {
			c->log_level = (enum config_log)i;
			return KCPSHIM_OK;
		}
	return config_fail(err, errlen, "%s: \"%.40s\" is not LEVEL[:FILE] with none, error, warn, info or debug",
	    CONFIG_ENV "LOG", value);
}

/* KCPSHIM_SEND_WINDOW_SIZE -> send_window_size. False when `out` cannot hold it, or when it is not upper case. */
static bool
option_of_variable(const char *name, size_t len, char *out, size_t size)
{
	size_t skip = strlen(CONFIG_ENV), n = len - skip;

	if (n >= size)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[skip + i];

		if (c >= 'a' && c <= 'z')
			return false;
		out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	out[n] = '\0';
	return true;
}

static bool
is_option(const char *name)
{
	for (unsigned i = 0; i < RULES_OPT_COUNT; i++)
		if (strcmp(rules_option_name((enum rules_option)i), name) == 0)
			return true;
	return false;
}

static int
load_variable(struct config *c, const char *entry, char *err, size_t errlen)
{
	const char *eq = strchr(entry, '=');
	size_t len = eq != NULL ? (size_t)(eq - entry) : strlen(entry);
	char option[48], msg[RULES_ERRLEN];
	int error;

	for (size_t i = 0; i < NELEM(plain_variables); i++)
		if (strlen(plain_variables[i]) == len && memcmp(plain_variables[i], entry, len) == 0)
			return KCPSHIM_OK;
	if (!option_of_variable(entry, len, option, sizeof(option)) || !is_option(option))
		return config_fail(err, errlen, "unknown environment variable %.*s (see kcpshim(7))",
		    (int)(len < 64 ? len : 64), entry);
	if (eq == NULL || eq[1] == '\0')
		return KCPSHIM_OK;
	error = rules_option_parse(&c->base, option, eq + 1, msg, sizeof(msg));
	if (error != KCPSHIM_OK)
		config_fail(err, errlen, "%.*s: %s", (int)len, entry, msg);
	return error;
}

/* The engine opens key files later, when the program may have another working directory. */
static int
make_absolute(char *path, size_t size, char *err, size_t errlen)
{
	char cwd[sizeof(((struct rules_options *)0)->key_file)];
	size_t n, len = strlen(path);

	if (len == 0 || path[0] == '/')
		return KCPSHIM_OK;
	if (getcwd(cwd, sizeof(cwd)) == NULL || (n = strlen(cwd)) + 1 + len >= size)
		return config_fail(err, errlen, "%s: needs an absolute path of at most %zu bytes", path, size - 1);
	memmove(path + n + 1, path, len + 1);
	memcpy(path, cwd, n);
	path[n] = '/';
	return KCPSHIM_OK;
}

static int
load_variables(struct config *c, char *err, size_t errlen)
{
	int error = KCPSHIM_OK;

	for (char **e = environ; e != NULL && *e != NULL && error == KCPSHIM_OK; e++)
		if (strncmp(*e, CONFIG_ENV, strlen(CONFIG_ENV)) == 0)
			error = load_variable(c, *e, err, errlen);
	if (error == KCPSHIM_OK)
		error = make_absolute(c->base.key_file, sizeof(c->base.key_file), err, errlen);
	if (error == KCPSHIM_OK)
		error = make_absolute(c->base.salt_file, sizeof(c->base.salt_file), err, errlen);
	if (error == KCPSHIM_OK)
		error = load_log(c, err, errlen);
	if (variable("XDG_RUNTIME_DIR") != NULL && strlen(variable("XDG_RUNTIME_DIR")) < sizeof(c->runtime_dir))
		strlcpy(c->runtime_dir, variable("XDG_RUNTIME_DIR"), sizeof(c->runtime_dir));
	c->engine_process = (c->base.set & 1u << RULES_OPT_ENGINE) != 0 && c->base.engine_process;
	return error;
}

/* The default rules file into path[size]; false when the names do not fit. */
static bool
default_rules(char *path, size_t size, bool user)
{
	const char *dir = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n;

	if (!user)
		n = snprintf(path, size, "%s/kcpshim/rules", KCPSHIM_SYSCONFDIR);
	else if (dir != NULL && dir[0] == '/')
		n = snprintf(path, size, "%s/kcpshim/rules", dir);
	else if (home != NULL && home[0] == '/')
		n = snprintf(path, size, "%s/.config/kcpshim/rules", home);
	else
		return false;
	return n > 0 && (size_t)n < size;
}

/* What the file says goes behind the rules that are there. *found: it was there. */
static int
append_file(struct config *c, const char *path, enum config_missing missing, bool *found, char *err, size_t errlen)
{
	char *text, msg[RULES_ERRLEN];
	struct rules *t;
	size_t len;
	int error;

	error = config_read_file(path, CONFIG_RULES_MAX, missing, &text, &len, err, errlen);
	*found = text != NULL;
	if (text == NULL)
		return error;
	error = rules_parse(&t, path, text, len, msg);
	config_wipe_file(text, len);
	if (error != KCPSHIM_OK)
		config_fail(err, errlen, "%s", msg);
	else if ((error = rules_append(&c->rules, t)) != KCPSHIM_OK)
		config_fail(err, errlen, "%s: out of memory", path);
	return error;
}

static int
load_inline(struct config *c, char *err, size_t errlen)
{
	const char *text = variable(CONFIG_ENV "RULES_TEXT"), *ports = variable(CONFIG_ENV "PORTS");
	char msg[RULES_ERRLEN];
	int error = KCPSHIM_OK;

	if (text != NULL)
		error = rules_parse(&c->rules, CONFIG_ENV "RULES_TEXT", text, strlen(text), msg);
	if (error == KCPSHIM_OK && ports != NULL)
		error = rules_parse_ports(&c->rules, CONFIG_ENV "PORTS", ports, msg);
	if (error != KCPSHIM_OK)
		config_fail(err, errlen, "%s", msg);
	return error;
}

static int
load_files(struct config *c, char *err, size_t errlen)
{
	const char *named = variable(CONFIG_ENV "RULES");
	char path[1024];
	bool found = false;
	int error = KCPSHIM_OK;

	if (named != NULL)
		return append_file(c, named, CONFIG_MISSING_ERROR, &found, err, errlen);
	if (default_rules(path, sizeof(path), true))
		error = append_file(c, path, CONFIG_MISSING_OR_FORBIDDEN, &found, err, errlen);
	if (error == KCPSHIM_OK && !found && default_rules(path, sizeof(path), false))
		error = append_file(c, path, CONFIG_MISSING_OK, &found, err, errlen);
	return error;
}

static unsigned
most_threads(const struct config *c)
{
	uint32_t most = (c->base.set & 1u << RULES_OPT_THREADS) != 0 ? c->base.threads : 1;
	struct rules_entry e;

	for (size_t i = 0; rules_entry(c->rules, i, &e); i++)
		if (e.opts != NULL && (e.opts->set & 1u << RULES_OPT_THREADS) != 0 && e.opts->threads > most)
			most = e.opts->threads;
	return most;
}

/* Everything but the rules' source is the same for a program and for kcpctl check. */
static int
load(struct config *c, const char *file, char *err, size_t errlen)
{
	bool found;
	int error;

	memset(c, 0, sizeof(*c));
	program_name(c->program, sizeof(c->program));
	error = load_variables(c, err, errlen);
	if (error == KCPSHIM_OK && file == NULL)
		error = load_inline(c, err, errlen);
	if (error == KCPSHIM_OK)
		error = file == NULL ? load_files(c, err, errlen) : append_file(c, file, CONFIG_MISSING_ERROR, &found, err, errlen);
	if (error == KCPSHIM_OK)
		error = config_check(c, err, errlen);
	if (error != KCPSHIM_OK) {
		config_dispose(c);
		return error;
	}
	c->active = rules_relevant(c->rules, c->program);
	c->threads = most_threads(c);
	return KCPSHIM_OK;
}

int
config_load(struct config *c, bool secure, char *err, size_t errlen)
{
	if (!secure)
		return load(c, NULL, err, errlen);
	memset(c, 0, sizeof(*c));
	program_name(c->program, sizeof(c->program));
	c->log_level = CONFIG_LOG_NONE;
	c->threads = 1;
	return KCPSHIM_OK;
}

int
config_load_file(struct config *c, const char *file, char *err, size_t errlen)
{
	return load(c, file, err, errlen);
}

void
config_dispose(struct config *c)
{
	rules_free(c->rules);
	explicit_bzero(c, sizeof(*c));
}

enum rules_action
config_match(const struct config *c, enum rules_role role, const struct netaddr *addr, struct rules_options *out)
{
	struct rules_options own;
	enum rules_action action = rules_match(c->rules, c->program, role, addr, &own);

	*out = c->base;
	rules_options_merge(out, &own);
	return action;
}
