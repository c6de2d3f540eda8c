/* lanes: one listening socket served by several of the engine's threads.
 *
 * The first thread has the listener. Each of the others has a part of it: a UDP socket on the same port, and a copy of the
 * engine's end of the pair over which connections are handed out, so that each serves its own sessions from the first flight on
 * and nothing is passed between threads. What changes the listener goes to all parts, by control requests; only the first thread
 * asks and waits, the others never do.
 */
#ifndef KCPSHIM_LANES_H
#define KCPSHIM_LANES_H

#include <stdbool.h>

#include "ctlproto.h"
#include "loop.h"

struct listener;
struct rules_options;

/* Over how many threads a listener under these options is to be spread. One has to do where the port is shared with other
 * processes already: the kernel tells no more than one kind of owner apart. */
unsigned lanes_wanted(const struct loop *, const struct rules_options *, int tcp_fd, bool shared);
/* Opens the parts, whose sockets get no connections before lanes_start(), and li->lanes tells how many threads there are: 1 when
 * one of the others cannot. `steer`: datagrams tell which thread they belong to, else the addresses do. */
void lanes_open(struct loop *, struct listener *li, int tcp_fd, int backlog, unsigned lanes, bool steer);
/* li has its pair: the parts get their copies. */
void lanes_start(struct loop *, struct listener *);
/* What the program says to the listener: CTL_BACKLOG or CTL_SETSOCKOPT, as it came. */
void lanes_tell(struct loop *, struct listener *, const struct ctl_request *);
/* Closes the parts, whose sessions go on. The port is the first thread's alone when it returns. */
void lanes_close(struct loop *, struct listener *);

/* In the other threads: carries out one of the CTL_PART requests. *fd is set to -1 when it was taken. 0 or positive errno. */
int lanes_part(struct loop *, const struct ctl_request *, int *fd);

#endif
