/* epoll: remembers registrations, because swapping a descriptor drops them. */
#include "real.h"
#include "shim.h"
#include "table.h"

EXPORT int
epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	int rc = real()->epoll_ctl(epfd, op, fd, event);

	if (rc != 0 || !shim.config.active)
		return rc;
	if (op == EPOLL_CTL_DEL)
		table_unwatch(epfd, fd);
	else
		table_watch(epfd, fd, event);
	return rc;
}
