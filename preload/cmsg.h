/* cmsg: what TCP says of control data that is sent along; none of it is for the pair. */
#ifndef KCPSHIM_PRELOAD_CMSG_H
#define KCPSHIM_PRELOAD_CMSG_H

#include <sys/socket.h>

/* 0, or the positive errno with which a connected TCP socket of this domain refuses the message's control data
 * (sock_cmsg_send() in Linux). */
int cmsg_judge(const struct msghdr *, int domain);

#endif
