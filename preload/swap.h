/* swap: puts one kernel descriptor in the place of another so that the program cannot tell, apart from what it now carries.
 *
 * Descriptor number, close-on-exec, status flags, owner and signal, timeouts, epoll registrations and copies made
 * by dup() are carried over.
 */
#ifndef KCPSHIM_PRELOAD_SWAP_H
#define KCPSHIM_PRELOAD_SWAP_H

#include <stdbool.h>
#include <stdint.h>

/* What descriptor this is, across numbers: the kernel's socket cookie, 0 when fd is no socket. errno is kept. */
uint64_t swap_cookie(int fd);

/* Replaces the socket at `fd`, which must still be the one with `cookie`, by `with`, and closes `with`.
 * `flags` are the program's (F_GETFL); those of the socket itself may meanwhile be the engine's.
 * 0, or a positive errno (EBADF: fd was closed or replaced meanwhile); `with` is closed in any case. */
int swap_socket(int fd, uint64_t cookie, int with, int flags);

/* A kernel TCP socket that is neither connected nor connecting nor listening. errno is kept. */
bool swap_is_idle_tcp(int fd, int *domain);

#endif
