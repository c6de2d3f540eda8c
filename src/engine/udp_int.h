/* udp_int: what the files of udp share: the loop's batch of datagrams out, its buffers in. Included by udp*.c only. */
#ifndef KCPSHIM_UDP_INT_H
#define KCPSHIM_UDP_INT_H

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "../core/endpoint.h"
#include "udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define UDP_GROUPS 32u
#define UDP_SEGMENTS_MAX 64u          /* kernels before 6.9 refuse more */
#define UDP_GROUP_BYTES 64000u        /* one super-datagram stays below 65,507 */
#define UDP_DATAGRAM_MAX ENDPOINT_DATAGRAM_MAX
#define UDP_OUT_BYTES (256u * 1024u)
#define UDP_IN_MESSAGES 16u
#define UDP_IN_ROUNDS 8u             /* recvmmsg calls in a row, for sockets that are read by time */
#define UDP_IN_BYTES 65536u

/* Datagrams of one path and one size, contiguous: one sendmsg with UDP_SEGMENT. */
struct udp_group {
	struct udp_sock *sock;      /* NULL: its socket was closed meanwhile */
	struct path path;
	uint8_t *data;
	size_t len, segment;
	unsigned count;
	uint8_t mark;               /* enum ecn_mark */
	bool fragment;              /* IP may cut it (no DF) */
	bool closed;                /* the last datagram is shorter: nothing may follow */
};

union udp_control {
	char buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

struct udp_io {
	uint8_t *out, *in;
	struct udp_group groups[UDP_GROUPS];
	unsigned ngroups, sent;     /* groups[sent..ngroups) wait */
	bool blocked;
	uint32_t device_mtu;        /* as the newest local error told; 0: none did */
	struct udp_queue polled;    /* sockets that are read by time, not by event */
	struct mmsghdr msgs[UDP_GROUPS];
	struct iovec iovs[UDP_GROUPS];
	struct sockaddr_storage names[UDP_GROUPS];
	union udp_control controls[UDP_GROUPS];
};

/* NULL: closed meanwhile. */
struct udp_sock *udp_find(struct loop *, uint32_t handle);
/* What an error of the kernel means to a session, KCPSHIM_E_*; 0: nothing. */
int udp_core_error(int error);
/* Datagrams of this socket that wait in the batch are dropped. */
void udp_forget(struct udp_io *, struct udp_sock *);
/* Takes what is in the socket's error queue: ICMP errors, path MTUs. */
void udp_read_errors(struct loop *, struct udp_sock *);
/* Reads what waits at the socket, a bounded number of datagrams. */
void udp_receive(struct loop *, struct udp_sock *);
/* The socket has events (source.ready). */
void udp_ready(struct loop *, struct source *, uint32_t events);

#endif
