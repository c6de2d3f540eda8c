/* config: environment + rules files -> one immutable struct, made once before main(). */
#ifndef KCPSHIM_CONFIG_H
#define KCPSHIM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "../core/rules.h"

enum config_log { CONFIG_LOG_NONE, CONFIG_LOG_ERROR, CONFIG_LOG_WARN, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };

struct config {
	bool active;                  /* some rule may match this program; false: the shim stays wholly native */
	char program[64];             /* base name of the program */
	struct rules *rules;          /* NULL when none */
	struct rules_options base;    /* from the environment; a rule's own options replace them */
	enum config_log log_level;
	char log_file[256];           /* "" = stderr */
	bool engine_process;
	unsigned threads;             /* the most that any rule asks for, 1 at least */
	char runtime_dir[256];        /* XDG_RUNTIME_DIR; "": none */
};

/* Reads KCPSHIM_* and the rules file they lead to. `secure` (AT_SECURE): everything is ignored, inactive config, success.
 * 0, or a negative KCPSHIM_E_* with one line in err that names variable or file:line; then the program must not start (exit 2).
 * Key and salt files are opened and checked here (existence, permissions as ssh: not group/world accessible, size). */
int config_load(struct config *, bool secure, char *err, size_t errlen);
/* As config_load for the environment's options, but with the rules of `file` alone: what kcpctl check looks at. */
int config_load_file(struct config *, const char *file, char *err, size_t errlen);
void config_dispose(struct config *);
/* The options in force for a match: base merged with the rule's. Returns the action. */
enum rules_action config_match(const struct config *, enum rules_role, const struct netaddr *, struct rules_options *out);

#endif
