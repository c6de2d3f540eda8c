#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

struct real real_table;
atomic_bool real_ready;

void
real_resolve(void)
{
	int saved = errno;

	/* Every thread that gets here writes the same values. */
#define X(name) *(void **)&real_table.name = dlsym(RTLD_NEXT, #name);
	REAL_FUNCTIONS(X)
#undef X
	atomic_store_explicit(&real_ready, true, memory_order_release);
	errno = saved;
}
