/* target: can this command be run with a preloaded library? */
#ifndef KCPSHIM_TARGET_H
#define KCPSHIM_TARGET_H

#include <stddef.h>

/* Exit codes of env(1). */
#define TARGET_CANNOT_RUN 126
#define TARGET_NOT_FOUND 127

/* Looks `command` up as execvp(3) does, follows #! lines to the program that will run, and checks that its loader will
 * honour LD_PRELOAD: dynamically linked for this machine and this C library, neither setuid nor setgid nor with file
 * capabilities. 0, or TARGET_* with one line in err. A file that cannot be read is left to execve(2) to judge. */
int target_check(const char *command, char *err, size_t errlen);

#endif
