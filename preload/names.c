/* names: getsockname and getpeername tell the session's addresses. */
#include <errno.h>

#include "real.h"
#include "shim.h"
#include "state.h"

static int
answer(int error, int saved)
{
	errno = error ? error : saved;
	return error ? -1 : 0;
}

EXPORT int
getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	struct ident id;
	int saved = errno;

	if (!shim_ours(fd, &id))
		return real()->getsockname(fd, addr, len);
	return answer(shim_copy_address(&id.local, id.domain, addr.__sockaddr__, len), saved);
}

EXPORT int
getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	struct ident id;
	int saved = errno;

	if (!shim_ours(fd, &id))
		return real()->getpeername(fd, addr, len);
	if (id.role == IDENT_LISTENER || state_of(fd, &id) != CTL_ST_ESTABLISHED)
		return answer(ENOTCONN, saved);
	return answer(shim_copy_address(&id.peer, id.domain, addr.__sockaddr__, len), saved);
}
