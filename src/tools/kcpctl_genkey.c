#include "kcpctl.h"

#include <bsd/stdlib.h>
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "../core/keys.h"

int
kcpctl_genkey(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "default";
	unsigned char random[KEYS_PSK_LEN];
	char line[KEYS_LINE_LEN];
	int error;

	if (argc > 2)
		return kcpctl_usage();
	arc4random_buf(random, sizeof(random));
	error = keys_generate(line, name, random);
	explicit_bzero(random, sizeof(random));
	if (error != 0) {
		warnx("\"%s\" is not a key name (1 to %u of A-Z a-z 0-9 . _ @ -)", name, KEYS_NAME_LEN - 1);
		return EXIT_USAGE;
	}
	fputs(line, stdout);
	explicit_bzero(line, sizeof(line));
	return 0;
}
