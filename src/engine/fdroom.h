/* fdroom: descriptors of our own when the program's RLIMIT_NOFILE is used up.
 *
 * The limit belongs to the process, but the engine's table is its own: a server that may hold 1024 connections needs as many
 * again here. A call that meets EMFILE is repeated with the soft limit raised to the hard one for just that call.
 */
#ifndef KCPSHIM_FDROOM_H
#define KCPSHIM_FDROOM_H

#include <sys/socket.h>

/* As the calls they are named after, close-on-exec. */
int fdroom_socket(int domain, int type, int protocol);
int fdroom_socketpair(int type, int sv[2]);
int fdroom_accept(int fd);
/* Receives descriptors; the kernel would drop them without a word when the table is full. */
ssize_t fdroom_recvmsg(int fd, struct msghdr *, int flags);
/* In a child made by fork(): a thread that is not there any more may have been at it. Async-signal-safe. */
void fdroom_forked(void);

#endif
