/* listener_tcp: an `auto` rule's listener takes connections over kernel TCP, too. They are handed out as they are. */
#ifndef KCPSHIM_LISTENER_TCP_H
#define KCPSHIM_LISTENER_TCP_H

#include "loop.h"

struct listener;

struct listener_tcp {
	struct source src;      /* the program's own socket, listening */
	struct listener *li;
	bool paused;            /* the accept queue is full */
};

/* Lets li->tcp_fd listen; the descriptor becomes that of li->tcp. 0 or positive errno, and nothing changed. */
int listener_tcp_open(struct loop *, struct listener *li, int backlog);
void listener_tcp_close(struct loop *, struct listener *);
/* The program may have taken from the queue. */
void listener_tcp_resume(struct loop *, struct listener *);

#endif
