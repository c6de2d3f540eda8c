/* environ: the shim's own variables, kept so that a program which inherits sockets of ours gets the shim again. */
#ifndef KCPSHIM_PRELOAD_ENVIRON_H
#define KCPSHIM_PRELOAD_ENVIRON_H

#include <stdbool.h>

/* Most variables that are kept and given back. */
#define ENVIRON_KEPT 40

/* Start-up: copies LD_PRELOAD and KCPSHIM_* (as many as fit). */
void environ_remember(void);

/* True when the next program would inherit descriptors of ours without the shim. `spawned`: file actions may yet give
 * it descriptors that are close-on-exec. No system call while nothing can be ours. */
bool environ_is_lacking(char *const envp[], bool spawned);

/* Entries that environ_restore needs room for, the final NULL included. */
int environ_room(char *const envp[]);
/* Writes envp with what is missing put back; strings are shared, `out` belongs to the caller. No allocation. */
void environ_restore(char *const envp[], char *out[]);

#endif
