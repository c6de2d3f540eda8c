/* kcpshim.h: options of a connection that kcpshim carries, for programs that know about it.
 *
 *	struct kcpshim_nodelay fast = { .nodelay = 1, .interval = 10, .resend = 2, .nc = -1 };
 *
 *	setsockopt(fd, SOL_KCP, KCP_NODELAY, &fast, sizeof(fast));
 *
 * On a socket that is not carried by KCP the kernel answers with ENOPROTOOPT (getsockopt: EOPNOTSUPP). An option takes effect at once
 * and loses nothing.
 * Set on a listening socket, it is for the connections that are accepted from then on.
 */
#ifndef KCPSHIM_H
#define KCPSHIM_H

#include <stdint.h>

#define SOL_KCP 19267  /* no level of the kernel's */

#define KCP_NODELAY 1  /* struct kcpshim_nodelay */
#define KCP_WNDSIZE 2  /* struct kcpshim_wndsize */
#define KCP_MTU     3  /* int: UDP payload bytes of one datagram, 100 to 65000; set: at most, get: now */
#define KCP_STREAM  4  /* int: 0 keeps each write a message of its own (wire=plain only), 1 does not */
#define KCP_CC      5  /* text, as TCP_CONGESTION: "auto", "kcp" or "none" */

/* A negative member leaves that setting as it is. */
struct kcpshim_nodelay {
	int32_t nodelay;   /* 1: smaller least retransmission timeout */
	int32_t interval;  /* update interval, milliseconds, 10 to 5000; kept, but nothing waits for it */
	int32_t resend;    /* acknowledged past a segment before it is sent again, 0: never, at most 255 */
	int32_t nc;        /* 1: no congestion control, 0: KCP's own */
};

/* Segments, 1 to 65535; 0 leaves that window as it is. */
struct kcpshim_wndsize {
	int32_t send, receive;
};

#endif
