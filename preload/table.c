#include "table.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define BUCKETS 1024
#define SPINS 4096

struct watch {
	int fd;              /* descriptor + 1; 0: unused */
	int epfd;
	struct epoll_event event;
};

struct bucket {
	unsigned next;       /* way that is overwritten when all are used */
	struct watch way[TABLE_WAYS];
};

static struct bucket buckets[BUCKETS];
static atomic_flag table_lock = ATOMIC_FLAG_INIT;
static atomic_int copies[TABLE_COPIES]; /* descriptor + 1; 0: unused */
static atomic_uint copies_next;

/* Gives up rather than wait for ever: in a signal handler the holder may be the interrupted code. */
static bool
lock_table(void)
{
	for (int i = 0; i < SPINS; i++) {
		if (!atomic_flag_test_and_set_explicit(&table_lock, memory_order_acquire))
			return true;
	}
	return false;
}

static void
unlock_table(void)
{
	atomic_flag_clear_explicit(&table_lock, memory_order_release);
}

static struct bucket *
bucket_of(int fd)
{
	return &buckets[(unsigned)fd % BUCKETS];
}

static struct watch *
find_watch(struct bucket *b, int epfd, int fd)
{
	for (int i = 0; i < TABLE_WAYS; i++) {
		if (b->way[i].fd == fd + 1 && b->way[i].epfd == epfd)
			return &b->way[i];
	}
	return NULL;
}

static struct watch *
free_watch(struct bucket *b)
{
	for (int i = 0; i < TABLE_WAYS; i++) {
		if (b->way[i].fd == 0)
			return &b->way[i];
	}
	return &b->way[b->next++ % TABLE_WAYS];
}

void
table_watch(int epfd, int fd, const struct epoll_event *event)
{
	struct bucket *b = bucket_of(fd);
	struct watch *w;

	if (fd < 0 || event == NULL || !lock_table())
		return;
	w = find_watch(b, epfd, fd);
	if (w == NULL)
		w = free_watch(b);
	*w = (struct watch){ .fd = fd + 1, .epfd = epfd, .event = *event };
	unlock_table();
}

void
table_unwatch(int epfd, int fd)
{
	struct bucket *b = bucket_of(fd);
	struct watch *w;

	if (fd < 0 || !lock_table())
		return;
	w = find_watch(b, epfd, fd);
	if (w != NULL)
		w->fd = 0;
	unlock_table();
}

int
table_watches(int fd, struct table_watch out[TABLE_WAYS])
{
	struct bucket *b = bucket_of(fd);
	int n = 0;

	if (fd < 0 || !lock_table())
		return 0;
	for (int i = 0; i < TABLE_WAYS; i++) {
		if (b->way[i].fd == fd + 1)
			out[n++] = (struct table_watch){ .epfd = b->way[i].epfd, .event = b->way[i].event };
	}
	unlock_table();
	return n;
}

static void
remember_copy(int fd)
{
	for (int i = 0; i < TABLE_COPIES; i++) {
		if (atomic_load_explicit(&copies[i], memory_order_relaxed) == fd + 1)
			return;
	}
	atomic_store(&copies[atomic_fetch_add(&copies_next, 1) % TABLE_COPIES], fd + 1);
}

void
table_copied(int from, int to)
{
	remember_copy(from);
	remember_copy(to);
}

int
table_copies(int out[TABLE_COPIES])
{
	int n = 0;

	for (int i = 0; i < TABLE_COPIES; i++) {
		int fd = atomic_load_explicit(&copies[i], memory_order_relaxed) - 1;

		if (fd >= 0)
			out[n++] = fd;
	}
	return n;
}

void
table_forked(void)
{
	atomic_flag_clear(&table_lock);
}
