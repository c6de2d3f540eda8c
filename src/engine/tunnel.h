/* tunnel: the other way of an `auto` rule's connect(): kernel TCP, when the peer answers there and not over KCP.
 *
 * The two attempts race as in RFC 8305 ("happy eyeballs"): KCP first, TCP after a head start or as soon as KCP is refused; the
 * first that opens wins and ends the other. A blocking connect() that TCP wins leaves the program with its own kernel
 * socket. A non-blocking one already handed out its pair; the bytes then go through here, and options and errors are those of
 * the kernel socket.
 */
#ifndef KCPSHIM_TUNNEL_H
#define KCPSHIM_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/netaddr.h"
#include "loop.h"

struct conn;
struct ctl_reply;
struct ctl_request;
struct ctl_status;

enum tunnel_state { TUNNEL_ARMED, TUNNEL_CONNECTING, TUNNEL_UP, TUNNEL_FAILED };

struct tunnel {
	struct source src;          /* the TCP socket */
	struct conn *conn;
	enum tunnel_state state;
	uint64_t start_at;          /* while armed: end of the head start */
	bool readable, writable;    /* edges seen, EAGAIN not yet met */
	int error;                  /* why it failed, positive errno */
};

/* How long KCP is alone, us (RFC 8305 section 5). */
#define TUNNEL_HEAD_START_US UINT64_C(250000)
/* How long a peer that answered only over TCP is not tried over KCP again, us. */
#define TUNNEL_VERDICT_US UINT64_C(60000000)

/* Whether TCP won against KCP at this address lately. */
bool tunnel_known(const struct loop *, const struct netaddr *peer);
/* Gives `c`, which is connecting over KCP, the second way. tcp_fd (unconnected, the program's) becomes the tunnel's on success.
 * 0 or positive errno. */
int tunnel_arm(struct loop *, struct conn *c, int tcp_fd);
/* KCP has failed before it opened. True: TCP goes on alone; c has no session any more. False: it is over, c->error tells TCP's reason. */
bool tunnel_takes_over(struct loop *, struct conn *);
/* Ends the TCP side; a connection that was up is reset. */
void tunnel_drop(struct loop *, struct conn *);
/* Starts what is due. */
void tunnel_timer(struct loop *, struct conn *);
/* Next time of tunnel_timer(); KCP_NEVER: none. */
uint64_t tunnel_deadline(const struct conn *);
/* Moves bytes of a connection without session. True: there is more to do at once. */
bool tunnel_pump(struct loop *, struct conn *);

/* What the program asks about a connection without session. 0 or positive errno. */
void tunnel_query(const struct conn *, struct ctl_reply *);
int tunnel_getsockopt(const struct conn *, const struct ctl_request *, struct ctl_reply *);
int tunnel_setsockopt(const struct conn *, const struct ctl_request *);
void tunnel_status(const struct conn *, struct ctl_status *);

#endif
