/* loop: the engine's state and its one thread: waits, dispatches, reads the clock. Shared by the files of src/engine. */
#ifndef KCPSHIM_LOOP_H
#define KCPSHIM_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "../core/netaddr.h"

struct config;
struct conn;
struct ctl_client;
struct endpoint;
struct keyring_entry;
struct listener;
struct loop;
struct mem;
struct options_usual;
struct udp_io;
struct udp_sock;

/* Anything with a descriptor in the epoll set. First member of what it belongs to. */
struct source {
	int fd;                 /* -1 once retired */
	void (*ready)(struct loop *, struct source *, uint32_t events);
	size_t size;            /* bytes of the object it starts, for mem_free */
	uint32_t events;        /* registered */
	bool live;              /* in the epoll set */
	LIST_ENTRY(source) all; /* of the live ones */
	STAILQ_ENTRY(source) grave;
};

LIST_HEAD(source_set, source);
STAILQ_HEAD(source_list, source);
LIST_HEAD(conn_list, conn);
LIST_HEAD(listener_list, listener);
LIST_HEAD(udp_list, udp_sock);
TAILQ_HEAD(udp_queue, udp_sock);
LIST_HEAD(client_list, ctl_client);
TAILQ_HEAD(conn_queue, conn);

/* How sessions that are gone ended, for SO_ERROR asked late. A ring: the oldest are forgotten. */
#define LOOP_TOMBSTONES 1024u
struct tombstone {
	uint32_t id;
	int32_t error;          /* positive errno, 0 once told */
	uint64_t ino;
};

/* Peers of `auto` rules that answered over kernel TCP and not over KCP, by hash of the address; newer ones replace older. */
#define LOOP_VERDICTS 256u
struct tunnel_verdict {
	struct netaddr peer;
	uint64_t until;         /* us; 0: nothing known */
};

/* Table of connections, listeners and sockets by number. */
#define LOOP_HASH 4096u

struct loop {
	const struct config *cfg;
	struct mem *mem;
	struct endpoint *ep;
	struct udp_io *io;
	struct keyring_entry *keyring;
	struct options_usual *usual; /* NULL: no socket's options were read yet */
	uint64_t keyring_looked; /* when key files were looked at last */
	uint64_t id;            /* 48 bits: ident.engine; the low four are the number of this thread (engine.h) */
	uint64_t now;           /* microseconds, CLOCK_MONOTONIC, read once per turn */
	uint64_t defer_look;    /* when connections that TCP_DEFER_ACCEPT holds back are looked at, KCP_NEVER: none */
	uint64_t wall_told;   /* when the endpoint was last told the wall clock */
	pid_t pid;              /* process that runs the loop */
	bool carrier;           /* an orphan: leave when nothing is left to carry */
	bool home_gone;
	bool reset_key;         /* the endpoint has the user's reset secret, or there is none to be had */
	bool quit;              /* the carrier took over: this thread ends */
	unsigned syncing;       /* control clients that wait for the loop's next turns */
	bool no_pwait2;         /* the kernel has none */
	bool reopened;          /* the rest of this turn's events came from the instance before */
	int epfd;
	struct source *control; /* listening control socket */
	struct source *home;    /* carrier of engine=process: a pidfd, readable when the program is gone; else NULL */
	uint32_t next_id;
	struct conn_list conns[LOOP_HASH];      /* by id */
	struct listener_list listeners;
	struct udp_list udps;                   /* by insertion; sockets per listener and per client */
	struct udp_queue lame;                  /* sockets about to be closed, earliest first */
	struct udp_sock *udp_hash[LOOP_HASH];   /* by handle */
	struct client_list clients;
	struct conn_queue dirty;                /* relays that have something to move */
	struct conn_queue timed;                /* with a cork or drain limit running */
	struct source_set sources;
	struct source_list graveyard;           /* freed at the end of the turn: later events of the batch may name them */
	struct tombstone tombs[LOOP_TOMBSTONES];
	uint32_t tomb_next;
	struct tunnel_verdict verdicts[LOOP_VERDICTS];
	size_t nconns;
};

/* Registers src->fd with `events`; 0 or positive errno. */
int loop_add(struct loop *, struct source *, uint32_t events);
int loop_modify(struct loop *, struct source *, uint32_t events);
/* Closes the descriptor; the object stays. */
void loop_close(struct loop *, struct source *);
/* Closes the descriptor and frees the object behind `src` at the end of this turn. */
void loop_retire(struct loop *, struct source *);
/* A number for a connection, listener or socket; never 0, not in use as a connection, nor given by another thread of the engine. */
uint32_t loop_new_id(struct loop *);
/* Which of the engine's threads it is, from 0. */
unsigned loop_lane(const struct loop *);
void loop_bury(struct loop *, uint32_t id, uint64_t ino, int error);
struct tombstone *loop_tomb(struct loop *, uint32_t id, uint64_t ino);

/* Prepares everything in the calling thread's own descriptor table; 0 or positive errno. `ctl` is the listening control socket. */
int loop_init(struct loop *, const struct config *, uint64_t id, int ctl);
/* After a fork: a new epoll instance with the same sources. The old one belongs to both processes and would go on to report
 * descriptors that only the other one still has open. 0 or positive errno. */
int loop_reopen(struct loop *);
/* Runs until quit, or (carrier) until nothing is left. */
void loop_run(struct loop *);
uint64_t loop_clock(void);

#endif
