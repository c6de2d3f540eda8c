/* engine: the one thread (or orphan process) that carries every session of a process. What preload/ may call. */
#ifndef KCPSHIM_ENGINE_H
#define KCPSHIM_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

struct config;

/* Starts this process's engine unless it runs already (thread-safe; in a forked child it starts the child's own).
 * On success *id names it (ident_engine_name()). Returns 0 or a positive errno. `cfg` must outlive the process. */
int engine_start(const struct config *cfg, uint64_t *id);
/* Id of the engine that this process started, 0 when it started none (a forked child has none at first). */
uint64_t engine_current(void);
/* Tells the library that the process was forked: the child has no engine of its own. Async-signal-safe. */
void engine_forked(void);

#endif
