/* ctlproto: the requests that interposed calls and kcpctl send to an engine, over AF_UNIX SOCK_SEQPACKET.
 *
 * One connection to ident_engine_name() per request (it is closed again at once, so that the program's descriptor table
 * stays its own). A request is one message: struct ctl_request, with descriptors by SCM_RIGHTS where stated. Same machine, same
 * build: host byte order, no padding surprises since both ends are this library; `version` is checked all the same.
 * Who holds the program's descriptor may control it: requests marked P carry that descriptor as proof.
 */
#ifndef KCPSHIM_CTLPROTO_H
#define KCPSHIM_CTLPROTO_H

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "../core/netaddr.h"

#define CTL_MAGIC 0x6b637073u
#define CTL_VERSION 2u
#define CTL_OPTLEN_MAX 512u

enum ctl_op {
	CTL_LISTEN = 1,    /* fd: bound TCP socket. Reply fd: the program's end of a SEQPACKET pair. backlog */
	CTL_BACKLOG,       /* P  listen() again on a listener of ours. backlog */
	CTL_CONNECT,       /* fd: TCP socket (maybe bound). addr, flags. Blocking: the reply comes when the outcome is known
	                    * (fd on success). CTL_F_NONBLOCK: at once, error EINPROGRESS, fd of a pending pair.
	                    * Closing the connection before the reply aborts the attempt. */
	CTL_CONNECT_DETACH,/* second message on a connection that waits for a blocking CTL_CONNECT: reply at once with the pending pair (EINTR) */
	CTL_CONNECT_AGAIN, /* P  connect() repeated: error EALREADY, 0 (first repeat after success), EISCONN, or why it failed */
	CTL_DISCONNECT,    /* P  connect(AF_UNSPEC): the session is reset */
	CTL_SETSOCKOPT,    /* P  level, optname, optlen, opt */
	CTL_GETSOCKOPT,    /* P  level, optname, optlen -> optlen, opt */
	CTL_QUERY,         /* P  -> state, error(pending error, not cleared), unacked, unsent */
	CTL_DRAIN,         /* P  close() with SO_LINGER n: reply when all is acknowledged and FIN acked, or after timeout_ms (EWOULDBLOCK) */
	CTL_MIGRATE,       /* only from the engine's own process: become an orphan carrier; reply when it runs */
	CTL_STATUS,        /* same user or root: replies of struct ctl_status, one message each, then one with kind 0 */
	CTL_SET,           /* same user or root: id, name, value (text) as kcpctl set */
	CTL_SHARE,         /* fd: TCP socket. Another process is about to listen on it, too: error 0 when a listener has this very
	                    * socket and from now on lets others bind its UDP port, ENOENT otherwise */
	CTL_SYNC,          /* reply when what programs did before (closing their descriptors) was seen; CTL_F_SENT: and a reset that came
	                    * of it has been sent, and received where the peer is of this engine, too */
	/* From the thread that has a listener to the engine's other threads, see lanes.h. id: the listener's, in that thread. */
	CTL_PART_OPEN,     /* fd: the TCP socket. lanes, backlog */
	CTL_PART_START,    /* fd: the engine's end of the pair. opt: what a message charges it (int) */
	CTL_PART_BACKLOG,  /* backlog */
	CTL_PART_SETSOCKOPT, /* as CTL_SETSOCKOPT */
	CTL_PART_CLOSE,
};

#define CTL_F_NONBLOCK 1u
#define CTL_F_SHARED 2u    /* CTL_LISTEN: the port is one that CTL_SHARE opened */
#define CTL_F_SENT 4u

struct ctl_request {
	uint32_t magic, version;
	uint32_t op;           /* enum ctl_op */
	uint32_t flags;
	uint32_t id;           /* connection or listener number of the ident; 0 where there is none */
	int32_t backlog;
	int32_t level, optname;
	uint32_t optlen;
	uint32_t timeout_ms;
	uint32_t lanes;        /* threads that serve the listener */
	struct netaddr addr;
	char name[32];         /* CTL_SET */
	uint8_t opt[CTL_OPTLEN_MAX]; /* option value, or CTL_SET's value as text */
};

enum ctl_state { CTL_ST_NONE, CTL_ST_CONNECTING, CTL_ST_ESTABLISHED, CTL_ST_CLOSED, CTL_ST_RESET, CTL_ST_FAILED, CTL_ST_LISTEN,
	CTL_ST_KERNEL,     /* to CTL_CONNECT, without a descriptor: the rule leaves this one to the TCP socket itself, */
	CTL_ST_KERNEL_UP,  /* which is connected already */
};

struct ctl_reply {
	uint32_t magic, version;
	int32_t error;         /* 0 or a positive errno for the program */
	uint32_t state;        /* enum ctl_state */
	uint32_t optlen;
	int32_t pending_error; /* positive errno or 0: what SO_ERROR would tell */
	uint64_t unacked, unsent; /* SIOCOUTQ, SIOCOUTQNSD */
	uint8_t opt[CTL_OPTLEN_MAX];
};

/* One line of kcpctl status. kind 0 ends the list. */
struct ctl_status {
	uint32_t magic, version;
	uint32_t kind;         /* 1 listener, 2 session */
	uint32_t pid;          /* process that holds the engine */
	uint32_t id;
	uint32_t role;         /* enum ident_role */
	uint32_t thread;       /* of the engine, from 0 */
	char program[32];
	char state[16];        /* "listen", "syn-sent", "syn-recv", "estab", "fin-wait", "close-wait", "last-ack", "closing", "linger" */
	char crypto[24];       /* "none", "aes-256-gcm", "chacha20-poly1305", "aes-cbc", "plugin", "plain" */
	uint32_t authenticated;
	struct netaddr local, peer, current_peer;
	uint64_t rtt_us, rttvar_us, min_rtt_us;
	uint64_t send_queue, recv_queue;     /* bytes unacknowledged+unsent; bytes not yet read by the program (in the session) */
	uint64_t retransmits, spurious;      /* segments */
	uint64_t bytes_sent, bytes_received; /* stream */
	uint64_t wire_sent, wire_received;   /* bytes in datagrams */
	uint64_t datagrams_sent, datagrams_received, dropped;
	uint64_t pacing_rate;                /* bytes/s */
	uint32_t cwnd, mtu;
	uint64_t age_us;
	char ecn[12];          /* "off" (not agreed), "idle", "testing", "capable", "failed" */
	uint32_t ecn_marked, ecn_ce;                         /* datagrams sent with ECT(0); how many of these the peer saw with CE */
	uint32_t ecn_ect0, ecn_ect1, ecn_ce_received;        /* datagrams received with each mark */
};

/* Room for the control message of ctl_attach(). */
union ctl_room {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* Lets `m` carry the descriptor `fd`; the caller keeps it. Does nothing when fd is negative. */
static inline void
ctl_attach(struct msghdr *m, union ctl_room *room, int fd)
{
	struct cmsghdr *cm = &room->align;

	if (fd < 0)
		return;
	memset(room, 0, sizeof(*room));
	m->msg_control = room;
	m->msg_controllen = sizeof(*room);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(int));
}

#endif
