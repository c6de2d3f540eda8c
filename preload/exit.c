/* exit: the ways out of a process that run no destructor. */
#include "real.h"
#include "shim.h"

EXPORT void
_exit(int status)
{
	shim_leave();
	real()->_exit(status);
	__builtin_unreachable();
}

EXPORT void
_Exit(int status)
{
	shim_leave();
	real()->_Exit(status);
	__builtin_unreachable();
}

EXPORT void
quick_exit(int status)
{
	shim_leave();
	real()->quick_exit(status);
	__builtin_unreachable();
}
