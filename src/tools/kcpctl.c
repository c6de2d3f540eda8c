/* kcpctl: looks at and steers the engines of this user, checks rules files, makes keys. */
#include "kcpctl.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{ "status", kcpctl_status, "status [-j]" },
	{ "genkey", kcpctl_genkey, "genkey [NAME]" },
	{ "check", kcpctl_check, "check FILE" },
	{ "set", kcpctl_set, "set SESSION NAME=VALUE" },
	{ "version", kcpctl_version, "version" },
};

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

int
kcpctl_usage(void)
{
	for (size_t i = 0; i < NELEM(commands); i++)
		fprintf(stderr, "%s kcpctl %s\n", i == 0 ? "usage:" : "      ", commands[i].usage);
	return EXIT_USAGE;
}

int
kcpctl_version(int argc, char **argv)
{
	if (argc != 1)
		return kcpctl_usage();
	puts(PACKAGE_STRING);
	return 0;
}

int
main(int argc, char **argv)
{
	int status = -1;

	for (size_t i = 0; argc > 1 && i < NELEM(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			status = commands[i].run(argc - 1, argv + 1);
	if (status < 0)
		return kcpctl_usage();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		warn("standard output");
		return 1;
	}
	return status;
}
