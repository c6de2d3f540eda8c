/* listener: a listening socket of the program: a SEQPACKET pair over which each accepted connection is handed out.
 *
 * A real AF_UNIX listener would let accept(2) work uninterposed, but nothing would tell the engine that the program's last copy
 * was closed, any local user could connect to it, and the port would stay taken. The pair's HUP tells exactly.
 */
#ifndef KCPSHIM_LISTENER_H
#define KCPSHIM_LISTENER_H

#include <stdint.h>
#include <sys/queue.h>

#include "ident.h"
#include "loop.h"
#include "options.h"

struct listener_tcp;

struct session;

struct listener {
	struct source src;      /* the engine's end */
	uint32_t id;
	struct ident ident;
	int tcp_fd;             /* the program's own socket, bound, listening only with `auto`: keeps the port from others */
	struct listener_tcp *tcp; /* owned: takes its connections (`auto`), or NULL */
	struct udp_sock *udp;
	int handle;             /* endpoint's */
	unsigned lanes;         /* threads that serve it together (lanes.h), 1: this one alone */
	uint32_t part_of;       /* this is only a part: its number in the first thread; else 0 */
	unsigned backlog;
	int unit;               /* what one queued message charges the pair (SIOCOUTQ) */
	uint64_t ino;
	uint64_t keep_idle_us;  /* the rule's, for accepted connections */
	struct options options;
	LIST_ENTRY(listener) all;
};

/* tcp_fd becomes the listener's on success. *app_fd is the program's end (caller's). `shared`: see listener_share().
 * 0 or positive errno. */
int listener_open(struct loop *, int tcp_fd, int backlog, bool shared, int *app_fd);
/* Processes that inherited one bound socket may each call listen() on it. `ino` is that of the TCP socket: the listener that was made
 * from it lets others bind its UDP port, among which the kernel then spreads new peers as with SO_REUSEPORT; those that it
 * has keep to it. 0, or ENOENT. */
int listener_share(struct loop *, uint64_t ino);
/* A part of a listener that the engine's first thread has, without its pair: that comes later (lanes.h). tcp_fd becomes its own on
 * success. 0 or positive errno. */
int listener_open_part(struct loop *, int tcp_fd, uint32_t part_of, unsigned lanes, int backlog);
/* The program closed its last copy, or the last process that had one is gone. Sessions go on. */
void listener_close(struct loop *, struct listener *);
void listener_set_backlog(struct loop *, struct listener *, int backlog);
struct listener *listener_find(struct loop *, uint32_t id);
/* A session of this listener was proven: make its pair and hand it out. */
void listener_accepted(struct loop *, struct session *);
/* How many more fit into the accept queue. */
unsigned listener_room(const struct listener *);
/* Puts a connection into it; app_fd stays the caller's. `id`: the connection's number, told to nobody yet. 0 or positive errno. */
int listener_hand_out(struct listener *, uint32_t id, int app_fd);
/* Tells the endpoint how many more fit into the accept queue. */
void listener_update_room(struct loop *, struct listener *);
#endif
