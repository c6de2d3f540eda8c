/* buffers: what SO_SNDBUF, SO_RCVBUF and SO_RCVLOWAT of the program mean for its kernel pair and its session. */
#ifndef KCPSHIM_BUFFERS_H
#define KCPSHIM_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>

struct conn;
struct loop;

/* From this many bytes on, as getsockopt(2) tells them (twice what was set), a size is no bound: it means "as much as you like", and the
 * buffers stay as large as they are by default. */
#define BUFFERS_UNBOUNDED (256u * 1024u)

/* Takes the options' present values into force, on the engine's end of the pair and in the session, as far as these exist. */
void buffers_apply(struct loop *, struct conn *);
/* The same for the program's end, as long as the engine has it. */
void buffers_apply_app(const struct conn *, int app_fd);
/* Whether a byte of the newest `run` bytes may wait unread: it keeps the whole packet charged that the program wrote it in, and the
 * pair shows POLLOUT only while four times what is charged fits its buffer (unix_writable() in Linux). */
bool buffers_stash_fits(const struct conn *, size_t run);
/* Whether what the peer sent is to be withheld, being less than SO_RCVLOWAT while more may come: poll(2) then shows no POLLIN. */
bool buffers_below_mark(const struct conn *);

#endif
