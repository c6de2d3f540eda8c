/* udp: sockets, batched datagrams in and out (UDP_SEGMENT, UDP_GRO, sendmmsg, recvmmsg), ICMP errors. */
#ifndef KCPSHIM_UDP_H
#define KCPSHIM_UDP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "../core/netaddr.h"
#include "loop.h"

/* What udp_poll knows of a socket. */
struct udp_poll {
	uint64_t since;             /* start of the present count, us */
	uint64_t due;               /* next reading */
	uint64_t came;              /* when a reading gave a datagram last */
	uint64_t heard;             /* us, least round trip heard of since; 0: none */
	uint64_t srtt;              /* the same, of the last count in which there was one */
	uint32_t datagrams, wakes;  /* since then */
	uint32_t interval;          /* us between readings; 0: read by event */
};

struct udp_sock {
	struct source src;
	uint32_t handle;            /* path.sock */
	int domain;                 /* AF_INET or AF_INET6 */
	bool connected;
	bool no_gso;                /* the kernel or device refused UDP_SEGMENT here */
	uint8_t mark;               /* enum ecn_mark, when connected: what the kernel puts into what is sent */
	bool tos_known;
	int tos, tclass;            /* as the program set them */
	struct netaddr local;       /* as bound; wildcard possible */
	struct listener *listener;  /* NULL: a client's socket */
	struct udp_sock *hash_next;
	struct udp_poll poll;
	TAILQ_ENTRY(udp_sock) polled;
	uint64_t close_at;          /* lame: its connection is gone */
	LIST_ENTRY(udp_sock) all;
	TAILQ_ENTRY(udp_sock) lame;
};

/* How long a connection's socket stays after a reset, so that the RST can be repeated, us. */
#define UDP_LAME_US UINT64_C(2000000)

/* Buffers and batch state of the loop. 0 or positive errno. */
int udp_io_new(struct loop *);

/* How a bound socket gets along with others on its port. */
enum udp_share {
	UDP_ALONE,      /* EADDRINUSE as bind(2) */
	UDP_LISTEN,     /* the same, but sockets of sessions that outlived an earlier listener do not count */
	UDP_SHARED,     /* beside that of another process, which allowed it by udp_share() */
	UDP_LANE,       /* beside that of the listener's first thread, which alone keeps others away */
	UDP_BESIDE,     /* connected socket beside others that allow it: receives only its own peer's datagrams */
};

/* What the TCP socket `like` (-1: none) was set to and UDP shares: SO_BINDTODEVICE, SO_MARK, SO_PRIORITY, TOS, TTL, V6ONLY, SO_REUSEPORT.
 * Opens, binds to `local` (family 0: not bound) and, with `peer`, connects. *out is in the epoll set. 0 or positive errno. */
int udp_open(struct loop *, const struct netaddr *local, const struct netaddr *peer, int domain, int like,
    enum udp_share share, struct udp_sock **out);
/* Whether another connected socket of this engine has the same two addresses. */
bool udp_is_double(const struct loop *, const struct udp_sock *);
/* From now on others may bind its port beside it (its listener is gone; sessions move to connected sockets). */
void udp_allow_reuse(struct udp_sock *, bool on);
/* From now on processes of the same user may bind its port with UDP_SHARED, and this engine's other threads with UDP_LANE. */
void udp_share(struct udp_sock *, bool on);
/* Closes it; datagrams that still wait in a batch for it are dropped. */
void udp_close(struct loop *, struct udp_sock *);

/* Closes it once the last words of its session are sent; `repeat`: only after UDP_LAME_US. */
void udp_close_later(struct loop *, struct udp_sock *, bool repeat);
/* Closes what is due; the time of the next one, KCP_NEVER: none. */
uint64_t udp_close_lame(struct loop *);

/* Asks the endpoint for what is due and sends it. True: the batch was cut short, call again at once. */
bool udp_flush(struct loop *);
/* A socket's buffer is full: nothing more is asked of the endpoint until it drains. */
bool udp_blocked(const struct loop *);

#endif
