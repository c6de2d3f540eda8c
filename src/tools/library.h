/* library: where libkcpshim.so is, for the loader. */
#ifndef KCPSHIM_LIBRARY_H
#define KCPSHIM_LIBRARY_H

#include <limits.h>
#include <stddef.h>

/* Absolute path of the library: KCPSHIM_LIBRARY; else beside this program when it runs in its build tree; else the
 * installed one. 0, or -1 with one line in err. */
int library_find(char path[PATH_MAX], char *err, size_t errlen);
/* Puts `path` in front of LD_PRELOAD, unless it is there. 0, or -1 with one line in err. */
int library_preload(const char *path, char *err, size_t errlen);

#endif
