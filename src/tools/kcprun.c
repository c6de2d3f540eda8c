/* kcprun: runs a command with libkcpshim.so, after checking that both will work together. */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/rules.h"
#include "../engine/config.h"
#include "library.h"
#include "target.h"

#define EXIT_CONFIG 2            /* the command line or the configuration is wrong; nothing was started */
#define ERRLEN 512

struct request {
	char *rules, *ports;          /* what -r and -p gave, joined; NULL: none */
	struct rules_options opts;    /* only to find options given twice */
	bool log_given;
};

static void __attribute__((noreturn))
usage(void)
{
	fprintf(stderr, "usage: kcprun [-q|-v] [-f RULES] [-r RULE]... [-p PORTS] [-k KEYFILE] [-o NAME=VALUE]... [--] "
	    "CMD [ARG...]\n");
	exit(EXIT_CONFIG);
}

static void
set_variable(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		err(EXIT_CONFIG, "%s", name);
}

/* *list becomes "*list SEPARATOR more"; `more` may be NULL. */
static void
join(char **list, const char *separator, const char *more)
{
	char *both;

	if (more == NULL || *more == '\0')
		return;
	if (asprintf(&both, "%s%s%s", *list != NULL ? *list : "", *list != NULL ? separator : "", more) < 0)
		err(EXIT_CONFIG, NULL);
	free(*list);
	*list = both;
}

/* The command may run in another directory, and start others there. */
static void
set_path(const char *variable, const char *option, const char *path)
{
	char full[PATH_MAX];

	if (realpath(path, full) == NULL)
		err(EXIT_CONFIG, "%s: %s", option, path);
	set_variable(variable, full);
}

static void
add_rule(struct request *r, const char *text)
{
	char msg[RULES_ERRLEN];
	struct rules *t;

	if (rules_parse(&t, "-r", text, strlen(text), msg) != 0)
		errx(EXIT_CONFIG, "%s", msg);
	if (rules_count(t) == 0)
		errx(EXIT_CONFIG, "-r: there is no rule in \"%s\"", text);
	rules_free(t);
	join(&r->rules, "\n", text);
}

static void
add_ports(struct request *r, const char *ports)
{
	char msg[RULES_ERRLEN];
	struct rules *t = NULL;

	if (rules_parse_ports(&t, "-p", ports, msg) != 0)
		errx(EXIT_CONFIG, "%s", msg);
	rules_free(t);
	join(&r->ports, ",", ports);
}

/* A key or salt given in one form takes the place of one that the environment has in the other. */
static void
drop_other_form(const char *name)
{
	static const char *const pairs[][2] = { { "key", "KCPSHIM_KEY_FILE" }, { "key_file", "KCPSHIM_KEY" },
		{ "salt", "KCPSHIM_SALT_FILE" }, { "salt_file", "KCPSHIM_SALT" } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (strcmp(pairs[i][0], name) == 0)
			unsetenv(pairs[i][1]);
}

static void
add_option(struct request *r, const char *option, char *text)
{
	char variable[64] = "KCPSHIM_", msg[ERRLEN], *value = strchr(text, '=');
	size_t n = strlen(variable);

	if (value == NULL)
		errx(EXIT_CONFIG, "%s: \"%s\" is not NAME=VALUE", option, text);
	*value++ = '\0';
	if (strcmp(text, "log") == 0) {
		set_variable("KCPSHIM_LOG", value);
		r->log_given = true;
		return;
	}
	if (rules_option_parse(&r->opts, text, value, msg, sizeof(msg)) != 0)
		errx(EXIT_CONFIG, "%s: %s", option, msg);
	for (const char *c = text; *c != '\0' && n < sizeof(variable) - 1; c++)
		variable[n++] = (char)toupper((unsigned char)*c);
	variable[n] = '\0';
	drop_other_form(text);
	if (strcmp(text, "key_file") == 0 || strcmp(text, "salt_file") == 0)
		set_path(variable, option, value);
	else
		set_variable(variable, value);
}

static void
add_key_file(struct request *r, const char *path)
{
	char *text;

	if (asprintf(&text, "key_file=%s", path) < 0)
		err(EXIT_CONFIG, NULL);
	add_option(r, "-k", text);
	free(text);
}

/* Only the level changes; a file that the environment names stays. */
static void
set_log(const struct request *r, bool quiet, int verbose)
{
	const char *old = getenv("KCPSHIM_LOG"), *file = old != NULL ? strchr(old, ':') : NULL;
	char *value;

	if (!quiet && verbose == 0)
		return;
	if ((quiet && verbose > 0) || r->log_given)
		errx(EXIT_CONFIG, "-q, -v and -o log= exclude each other");
	if (asprintf(&value, "%s%s", quiet ? "none" : verbose == 1 ? "info" : "debug", file != NULL ? file : "") < 0)
		err(EXIT_CONFIG, NULL);
	set_variable("KCPSHIM_LOG", value);
	free(value);
}

/* First match wins: what this command line says goes before what an outer one said. */
static void
set_rules(struct request *r)
{
	if (r->rules != NULL) {
		join(&r->rules, "\n", getenv("KCPSHIM_RULES_TEXT"));
		set_variable("KCPSHIM_RULES_TEXT", r->rules);
	}
	if (r->ports != NULL) {
		join(&r->ports, ",", getenv("KCPSHIM_PORTS"));
		set_variable("KCPSHIM_PORTS", r->ports);
	}
	free(r->rules);
	free(r->ports);
}

static void
read_options(int argc, char **argv)
{
	struct request r = { 0 };
	bool quiet = false;
	int c, verbose = 0;

	while ((c = getopt(argc, argv, "+qvf:r:p:k:o:")) != -1)
		switch (c) {
		case 'q':
			quiet = true;
			break;
		case 'v':
			verbose++;
			break;
		case 'f':
			set_path("KCPSHIM_RULES", "-f", optarg);
			break;
		case 'r':
			add_rule(&r, optarg);
			break;
		case 'p':
			add_ports(&r, optarg);
			break;
		case 'k':
			add_key_file(&r, optarg);
			break;
		case 'o':
			add_option(&r, "-o", optarg);
			break;
		default:
			usage();
		}
	if (optind == argc)
		usage();
	set_log(&r, quiet, verbose);
	set_rules(&r);
}

int
main(int argc, char **argv)
{
	char msg[ERRLEN], library[PATH_MAX];
	struct config config;
	int status;

	read_options(argc, argv);
	if (config_load(&config, false, msg, sizeof(msg)) != 0)
		errx(EXIT_CONFIG, "%s", msg);
	config_dispose(&config);
	status = target_check(argv[optind], msg, sizeof(msg));
	if (status != 0)
		errx(status, "%s", msg);
	if (library_find(library, msg, sizeof(msg)) != 0 || library_preload(library, msg, sizeof(msg)) != 0)
		errx(EXIT_CONFIG, "%s", msg);
	execvp(argv[optind], argv + optind);
	err(errno == ENOENT ? TARGET_NOT_FOUND : TARGET_CANNOT_RUN, "%s", argv[optind]);
}
