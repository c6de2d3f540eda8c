#include "listener_tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../core/mem.h"
#include "fdroom.h"
#include "listener.h"
#include "log.h"

static void
listener_tcp_ready(struct loop *l, struct source *src, uint32_t events)
{
	struct listener_tcp *t = (struct listener_tcp *)src;
	int fd, error;

	/* Those for which there is no room wait in the kernel's own queue. */
	while (!(t->paused = listener_room(t->li) == 0) && (fd = fdroom_accept(src->fd)) >= 0) {
		/* What the program accepts must not be non-blocking or close-on-exec unless it says so. */
		(void)fcntl(fd, F_SETFL, 0);
		if ((error = listener_hand_out(t->li, t->li->id, fd)) != 0)
			log_error("accept queue: %s", strerror(error));
		close(fd);
	}
	if (t->paused)
		(void)loop_modify(l, src, 0);
}

int
listener_tcp_open(struct loop *l, struct listener *li, int backlog)
{
	struct listener_tcp *t = mem_alloc(l->mem, sizeof(*t));
	int error = 0;

	if (t == NULL)
		return ENOBUFS;
	t->src = (struct source){ .fd = li->tcp_fd, .ready = listener_tcp_ready, .size = sizeof(*t) };
	t->li = li;
	if (listen(li->tcp_fd, backlog) != 0)
		error = errno;
	if (error == 0)
		error = loop_add(l, &t->src, EPOLLIN);
	if (error != 0) {
		mem_free(l->mem, t, sizeof(*t));
		return error;
	}
	(void)fcntl(li->tcp_fd, F_SETFL, O_NONBLOCK);
	/* EPOLLOUT: the program accepted one. */
	(void)loop_modify(l, &li->src, EPOLLRDHUP | EPOLLOUT | EPOLLET);
	li->tcp = t;
	return 0;
}

void
listener_tcp_close(struct loop *l, struct listener *li)
{
	if (li->tcp == NULL)
		return;
	loop_retire(l, &li->tcp->src);
	li->tcp = NULL;
	li->tcp_fd = -1;
}

void
listener_tcp_resume(struct loop *l, struct listener *li)
{
	if (li->tcp == NULL || !li->tcp->paused || listener_room(li) == 0)
		return;
	li->tcp->paused = false;
	(void)loop_modify(l, &li->tcp->src, EPOLLIN);
}
