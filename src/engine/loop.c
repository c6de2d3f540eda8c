#include "loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "../core/endpoint.h"
#include "../core/lane.h"
#include "../core/mem.h"
#include "control.h"
#include "listener.h"
#include "listener_defer.h"
#include "log.h"
#include "relay.h"
#include "udp.h"
#include "udp_poll.h"

#define LOOP_BATCH 64
#define LOOP_WALL_US 60000000u

uint64_t
loop_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* First flights of sealed sessions carry the time; the two clocks drift apart, and the wall clock may be set. */
static void
loop_tell_wall(struct loop *l)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	endpoint_set_time(l->ep, (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec, l->now);
	l->wall_told = l->now;
}

static int
loop_ctl(struct loop *l, int op, struct source *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	return epoll_ctl(l->epfd, op, src->fd, &ev) == 0 ? 0 : errno;
}

int
loop_add(struct loop *l, struct source *src, uint32_t events)
{
	int error = loop_ctl(l, EPOLL_CTL_ADD, src, events);

	if (error != 0)
		return error;
	src->events = events;
	src->live = true;
	LIST_INSERT_HEAD(&l->sources, src, all);
	return 0;
}

int
loop_modify(struct loop *l, struct source *src, uint32_t events)
{
	src->events = events;
	return loop_ctl(l, EPOLL_CTL_MOD, src, events);
}

void
loop_close(struct loop *l, struct source *src)
{
	/* Closing alone would not do: while another process has a copy (the thread that a carrier took over from, or a forked
	 * child where the table could not be unshared) the kernel goes on to report it, with a pointer to freed memory. */
	if (src->live) {
		LIST_REMOVE(src, all);
		(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	}
	src->live = false;
	if (src->fd >= 0)
		close(src->fd);
	src->fd = -1;
}

void
loop_retire(struct loop *l, struct source *src)
{
	loop_close(l, src);
	STAILQ_INSERT_TAIL(&l->graveyard, src, grave);
}

int
loop_reopen(struct loop *l)
{
	struct source *src;
	int error = 0;

	close(l->epfd);
	if ((l->epfd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return errno;
	LIST_FOREACH(src, &l->sources, all)
		if ((error = loop_ctl(l, EPOLL_CTL_ADD, src, src->events)) != 0)
			break;
	return error;
}

uint32_t
loop_new_id(struct loop *l)
{
	do {
		l->next_id += l->cfg->threads;
	} while (l->next_id == 0 || relay_find(l, l->next_id) != NULL);
	return l->next_id;
}

unsigned
loop_lane(const struct loop *l)
{
	return (unsigned)l->id % LANE_MAX;
}

void
loop_bury(struct loop *l, uint32_t id, uint64_t ino, int error)
{
	struct tombstone *t = &l->tombs[l->tomb_next++ % LOOP_TOMBSTONES];

	t->id = id;
	t->ino = ino;
	t->error = error;
}

struct tombstone *
loop_tomb(struct loop *l, uint32_t id, uint64_t ino)
{
	for (unsigned i = 0; i < LOOP_TOMBSTONES; i++)
		if (l->tombs[i].id == id && id != 0 && l->tombs[i].ino == ino)
			return &l->tombs[i];
	return NULL;
}

int
loop_init(struct loop *l, const struct config *cfg, uint64_t id, int ctl)
{
	uint8_t seed[32];
	int error;

	memset(l, 0, sizeof(*l));
	l->cfg = cfg;
	l->id = id;
	l->next_id = loop_lane(l) + 1 - cfg->threads;
	l->pid = getpid();
	l->now = loop_clock();
	l->defer_look = KCP_NEVER;
	LIST_INIT(&l->listeners);
	LIST_INIT(&l->udps);
	LIST_INIT(&l->clients);
	TAILQ_INIT(&l->lame);
	TAILQ_INIT(&l->dirty);
	TAILQ_INIT(&l->timed);
	LIST_INIT(&l->sources);
	STAILQ_INIT(&l->graveyard);
	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return EIO;
	if ((l->mem = mem_new(0)) == NULL || (l->ep = endpoint_new(l->mem, seed)) == NULL)
		return ENOMEM;
	explicit_bzero(seed, sizeof(seed));
	loop_tell_wall(l);
	if ((l->epfd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return errno;
	if ((error = udp_io_new(l)) != 0 || (error = control_open(l, ctl)) != 0)
		return error;
	return 0;
}

/* The wait is exact to the nanosecond where the kernel has epoll_pwait2 (Linux 5.11), else rounded up to milliseconds:
 * waking early would only spin. */
static int
loop_wait(struct loop *l, struct epoll_event *ev, uint64_t deadline)
{
	struct timespec ts, *tsp = NULL;
	uint64_t wait = 0;
	int n;

	if (deadline != KCP_NEVER) {
		uint64_t now = loop_clock();

		wait = deadline > now ? deadline - now : 0;
		ts.tv_sec = (time_t)(wait / 1000000u);
		ts.tv_nsec = (long)(wait % 1000000u) * 1000;
		tsp = &ts;
	}
	if (!l->no_pwait2) {
		n = epoll_pwait2(l->epfd, ev, LOOP_BATCH, tsp, NULL);
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n;
		l->no_pwait2 = true;
	}
	return epoll_wait(l->epfd, ev, LOOP_BATCH, tsp == NULL ? -1 : (int)((wait + 999) / 1000));
}

static void
loop_bury_dead(struct loop *l)
{
	struct source *src;

	while ((src = STAILQ_FIRST(&l->graveyard)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->graveyard, grave);
		mem_free(l->mem, src, src->size);
	}
}

static bool
loop_idle_carrier(const struct loop *l)
{
	return l->carrier && (l->home == NULL || l->home_gone) && l->nconns == 0 &&
	    LIST_EMPTY(&l->listeners) && LIST_EMPTY(&l->clients) && TAILQ_EMPTY(&l->lame);
}

/* Moves bytes and datagrams until nothing is left that can be done at this instant. Each round is bounded,
 * so that descriptors that became ready meanwhile get their turn. True: there is more to do at once. */
static bool
loop_work(struct loop *l)
{
	struct session *s;
	bool more;

	while ((s = endpoint_next_ready(l->ep)) != NULL)
		relay_session_ready(l, s);
	more = relay_pump_dirty(l);
	while ((s = endpoint_next_ready(l->ep)) != NULL)
		relay_session_ready(l, s);
	more |= udp_flush(l);
	/* Timers run while datagrams are asked for: what they ended is handled before anyone sleeps. */
	while ((s = endpoint_next_ready(l->ep)) != NULL)
		relay_session_ready(l, s);
	return more || !TAILQ_EMPTY(&l->dirty);
}

static uint64_t
loop_deadline(struct loop *l)
{
	uint64_t times[] = { udp_blocked(l) ? KCP_NEVER : endpoint_deadline(l->ep), relay_deadline(l), udp_close_lame(l),
		udp_poll_deadline(l), listener_defer_deadline(l) };
	uint64_t first = times[0];

	for (size_t i = 1; i < sizeof(times) / sizeof(times[0]); i++)
		if (times[i] < first)
			first = times[i];
	return first;
}

void
loop_run(struct loop *l)
{
	struct epoll_event ev[LOOP_BATCH];
	bool more = false;
	int n;

	while (!l->quit) {
		uint64_t deadline = more || l->syncing > 0 ? 0 : loop_deadline(l);

		/* Asked after the deadline: closing the last socket is what may make it idle. */
		if (loop_idle_carrier(l))
			break;
		n = loop_wait(l, ev, deadline);
		l->now = loop_clock();
		if (l->now - l->wall_told >= LOOP_WALL_US)
			loop_tell_wall(l);
		if (n < 0 && errno != EINTR) {
			log_error("epoll_wait: %s", strerror(errno));
			break;
		}
		for (int i = 0; i < n && !l->quit && !l->reopened; i++) {
			struct source *src = ev[i].data.ptr;

			if (src->fd >= 0)
				src->ready(l, src, ev[i].events);
		}
		/* The orphan has the same sessions and packet numbers: from here on nothing may be sent by this thread. */
		if (l->quit)
			return;
		l->reopened = false;
		control_turn(l, n < LOOP_BATCH);
		udp_poll_due(l);
		relay_timers(l);
		listener_defer_timers(l);
		more = loop_work(l);
		loop_bury_dead(l);
	}
}
