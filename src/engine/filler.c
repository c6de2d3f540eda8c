#include "filler.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffers.h"
#include "relay_io.h"

#define FILLER_CHUNK 65536    /* what one packet of a socket pair holds at most */

/* The last packet, of which a byte stays as the stash, is a small one. */
static size_t
put_chunk(const struct conn *c, size_t room)
{
	return c->filler + FILLER_CHUNK + RELAY_STASH_RUN < room ? FILLER_CHUNK : RELAY_STASH_RUN;
}

/* As much as the program's end can hold, of the same few pages over and over: nothing is copied, and a pending connect() costs no more
 * memory than these. */
static void
put_pending(struct conn *c, int app_fd)
{
	static const uint8_t zeroes[RELAY_STASH_RUN];
	int pages = memfd_create("kcpshim", MFD_CLOEXEC), flags = fcntl(app_fd, F_GETFL), room = 0;
	socklen_t len = sizeof(room);
	ssize_t n = -1;
	off_t at;

	(void)getsockopt(app_fd, SOL_SOCKET, SO_SNDBUF, &room, &len);
	/* sendfile(2) has no MSG_DONTWAIT. */
	if (pages >= 0 && ftruncate(pages, FILLER_CHUNK) == 0 && fcntl(app_fd, F_SETFL, flags | O_NONBLOCK) == 0) {
		while (at = 0, (n = sendfile(app_fd, pages, &at, put_chunk(c, (size_t)room))) > 0)
			c->filler += (size_t)n;
		(void)fcntl(app_fd, F_SETFL, flags);
	}
	if (pages >= 0)
		close(pages);
	while ((n = send(app_fd, zeroes, sizeof(zeroes), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		c->filler += (size_t)n;
}

int
filler_put(struct conn *c, int app_fd, bool pending)
{
	int size = RELAY_PAIR_SNDBUF;

	if (setsockopt(app_fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(app_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (send(app_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		return errno;
	c->stash = c->stash_run = 1;
	if (pending)
		put_pending(c, app_fd);
	return 0;
}

void
filler_drop(struct conn *c)
{
	/* The queue holds stash + filler; one byte of it stays as the stash. */
	relay_discard(c->src.fd, c->filler);
	c->stash_run = c->filler < RELAY_STASH_RUN ? c->filler : RELAY_STASH_RUN;
	c->filler = 0;
	if (!buffers_stash_fits(c, c->stash_run))
		relay_drop_stash(c);
}
