/* connect: the connecting side, for the calls that connect by other means too (MSG_FASTOPEN, shutdown while pending). */
#ifndef KCPSHIM_PRELOAD_CONNECT_H
#define KCPSHIM_PRELOAD_CONNECT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "engine/ident.h"

/* connect(2) as the program calls it. */
int connect_socket(int fd, const struct sockaddr *, socklen_t);
/* A rule may send a connection to this address over KCP. No system call. */
bool connect_matches(const struct sockaddr *, socklen_t);
/* Resets the session behind fd and puts an unconnected TCP socket in its place. 0, or a positive errno. */
int connect_dissolve(int fd, const struct ident *);

#endif
