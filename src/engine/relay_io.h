/* relay_io: the bytes of one connection between its pair and its session. Used by relay only. */
#ifndef KCPSHIM_RELAY_IO_H
#define KCPSHIM_RELAY_IO_H

#include "relay.h"

/* SO_SNDBUF of the program's end, of which the kernel makes twice as much. It shows POLLOUT only while four times what is queued
 * fits that, and the stashed byte keeps the whole packet of the socket pair that it came in: up to 64 KiB after sendfile(2). */
#define RELAY_PAIR_SNDBUF (256 * 1024)
/* Bytes that are passed on and still wait unread. Each may be a packet of its own, charged with 768 bytes, and all of them together with
 * one of RELAY_STASH_RUN must not hide POLLOUT where the system grants no more than its default wmem_max. */
#define RELAY_STASH_MAX 96
#define RELAY_STASH_RUN 16384

/* The pair became ready (source.ready). */
void relay_ready(struct loop *, struct source *, uint32_t events);
/* The program has to read before its pair takes more: source.ready tells. */
void relay_pair_full(struct loop *, struct conn *);
/* Throws away up to n unread bytes of a stream. */
void relay_discard(int fd, size_t n);
/* Nothing may be queued behind the stash. */
void relay_drop_stash(struct conn *);
/* Closes the engine's end: an orderly end when error is 0, else ECONNRESET for the program. Remembers the error for SO_ERROR. */
void relay_close_pair(struct loop *, struct conn *);
/* All bytes are handed over: ends the connection if its session is over. */
void relay_finish(struct loop *, struct conn *);

#endif
