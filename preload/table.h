/* table: advice about descriptors that may be swapped later: where epoll knows them, and that copies were made.
 *
 * Never the truth: each entry is verified against the kernel before it is used, stale ones do no harm,
 * and when a table is full the oldest entry is forgotten. No system call, no allocation.
 */
#ifndef KCPSHIM_PRELOAD_TABLE_H
#define KCPSHIM_PRELOAD_TABLE_H

#include <sys/epoll.h>

#define TABLE_WAYS 8     /* epoll instances remembered for one descriptor */
#define TABLE_COPIES 64  /* descriptors that were copied or are copies */

struct table_watch {
	int epfd;            /* -1: unused */
	struct epoll_event event;
};

/* epoll_ctl(epfd, ADD or MOD, fd, event) succeeded. */
void table_watch(int epfd, int fd, const struct epoll_event *);
void table_unwatch(int epfd, int fd);
/* Copies what is remembered about fd; returns the number of entries. */
int table_watches(int fd, struct table_watch out[TABLE_WAYS]);

/* `from` was duplicated as `to`. */
void table_copied(int from, int to);
/* Descriptors that take part in any copy; returns how many. */
int table_copies(int out[TABLE_COPIES]);

/* In a forked child: no other thread can hold a lock. */
void table_forked(void);

#endif
