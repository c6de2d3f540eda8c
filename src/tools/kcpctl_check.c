#include "kcpctl.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "../core/rules.h"
#include "../engine/config.h"

static void
print_rule(const struct rules *t, size_t i)
{
	size_t len = rules_format(t, i, NULL, 0) + 1;
	char *line = malloc(len);

	if (line == NULL)
		err(1, NULL);
	rules_format(t, i, line, len);
	puts(line);
	free(line);
}

int
kcpctl_check(int argc, char **argv)
{
	char msg[512];
	struct config c;

	if (argc != 2)
		return kcpctl_usage();
	if (config_load_file(&c, argv[1], msg, sizeof(msg)) != 0) {
		warnx("%s", msg);
		return 2;
	}
	for (size_t i = 0; i < rules_count(c.rules); i++)
		print_rule(c.rules, i);
	config_dispose(&c);
	return 0;
}
