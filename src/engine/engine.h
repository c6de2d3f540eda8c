/* engine: the threads (or orphan processes) that carry every session of a process. What preload/ may call.
 *
 * Each of the threads is complete in itself: it has its own loop, descriptors, sessions and control address, and shares nothing
 * with the others. A connection's descriptor tells which one has it. A process has one such thread unless a rule asks for more.
 */
#ifndef KCPSHIM_ENGINE_H
#define KCPSHIM_ENGINE_H

#include <stdint.h>

struct config;

#define ENGINE_THREADS_MAX 16u

/* Starts one of this process's `threads` unless it runs already (thread-safe; in a forked child it starts the child's own): the
 * next in turn. On success *id names it (ident_engine_name()). Returns 0 or a positive errno. `cfg` must outlive the process. */
int engine_start(const struct config *cfg, unsigned threads, uint64_t *id);
/* The same for a listener: starts them all, and *id names the first. */
int engine_start_all(const struct config *cfg, unsigned threads, uint64_t *id);
/* Ids of the threads that this process started and that still run; how many (a forked child has none at first). */
unsigned engine_list(uint64_t ids[ENGINE_THREADS_MAX]);
/* Tells the library that the process was forked: the child has no engine of its own. Async-signal-safe. */
void engine_forked(void);

#endif
