#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../core/lane.h"
#include "config.h"
#include "ctlproto.h"
#include "fdroom.h"
#include "ident.h"
#include "fdroom.h"
#include "log.h"
#include "loop.h"

#define ENGINE_STACK (512u * 1024u)
_Static_assert(LANE_MAX == ENGINE_THREADS_MAX, "engine.h");
#define ENGINE_FD_HIGH 512 /* where unshare is refused, our descriptors start here at least */

/* What the program's threads see of one of the engine's. */
struct lane {
	_Atomic uint64_t id;    /* 0: it does not run */
	_Atomic bool remote;    /* it runs in a carrier of engine=process */
};

/* One engine per process. Each of its threads has its loop in a mapping of its own. */
static struct {
	pthread_mutex_t starter; /* held by the one thread that starts the engine, as waiting for `cond` gives `lock` away */
	pthread_mutex_t lock;    /* of what the engine's thread reports: error, ready */
	struct lane lanes[LANE_MAX];
	_Atomic unsigned turn;  /* connections, counted */
	uint64_t family;        /* what the threads' ids have in common, 0: none was started */
	unsigned used;          /* bit set of the ids of this family that had a thread */
	const struct config *cfg;
	struct loop *loop;
	uint64_t starting;
	int ctl;                /* descriptor in the program's table, on its way to the engine's */
	int error;
	bool ready;
	pthread_cond_t cond;
} engine = { .starter = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

static uint64_t
engine_lane(unsigned lane)
{
	return atomic_load_explicit(&engine.lanes[lane].id, memory_order_acquire);
}

unsigned
engine_list(uint64_t ids[LANE_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < LANE_MAX; i++)
		if ((ids[n] = engine_lane(i)) != 0)
			n++;
	return n;
}

void
engine_forked(void)
{
	static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
	static const pthread_cond_t fresh_cond = PTHREAD_COND_INITIALIZER;

	engine.starter = engine.lock = fresh;
	engine.cond = fresh_cond;
	fdroom_forked();
	engine.family = 0;
	for (unsigned i = 0; i < LANE_MAX; i++) {
		atomic_store(&engine.lanes[i].id, 0);
		atomic_store(&engine.lanes[i].remote, false);
	}
}

/* A descriptor table of the thread's own, empty but for `keep`: the program's numbers, its closefrom() loops and its forked
 * children then never meet an engine descriptor. Where unshare is refused (seccomp), high close-on-exec numbers have to do. */
static int
engine_own_table(int *keep, int nkeep)
{
	int top = 0;

	if (unshare(CLONE_FILES) != 0) {
		for (int i = 0; i < nkeep; i++) {
			int high = keep[i] < 0 ? -1 : fcntl(keep[i], F_DUPFD_CLOEXEC, ENGINE_FD_HIGH);

			if (high >= 0)
				keep[i] = high;
		}
		return 0;
	}
	for (int i = 0; i < nkeep; i++) {
		if (keep[i] < 0)
			continue;
		/* A number of its own, while there is one; everything else is closed below. */
		int own = fcntl(keep[i], F_DUPFD_CLOEXEC, 0);

		if (own < 0 && errno != EMFILE)
			return errno;
		if (own >= 0)
			keep[i] = own;
		top = keep[i] > top ? keep[i] : top;
	}
	for (int fd = 0, next; fd <= top; fd = next + 1) {
		next = top + 1;
		for (int i = 0; i < nkeep; i++)
			if (keep[i] >= fd && keep[i] < next)
				next = keep[i];
		if (next > fd)
			(void)close_range((unsigned)fd, (unsigned)next - 1, 0);
	}
	(void)close_range((unsigned)top + 1, ~0U, 0);
	return 0;
}

/* The descriptor of a log file, or `err`, the thread's own copy of stderr. */
static int
engine_log_fd(const struct config *cfg, int err)
{
	if (cfg->log_level == CONFIG_LOG_NONE || cfg->log_file[0] == '\0')
		return err;
	return open(cfg->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void
engine_report(int error)
{
	pthread_mutex_lock(&engine.lock);
	engine.error = error;
	engine.ready = true;
	pthread_cond_signal(&engine.cond);
	pthread_mutex_unlock(&engine.lock);
}

static void *
engine_thread(void *arg)
{
	struct loop *l = arg;
	const struct config *cfg = engine.cfg;
	struct lane *lane = &engine.lanes[engine.starting % LANE_MAX];
	bool to_stderr = cfg->log_level != CONFIG_LOG_NONE && cfg->log_file[0] == '\0';
	int keep[2] = { engine.ctl, to_stderr ? STDERR_FILENO : -1 };
	int error;

	(void)pthread_setname_np(pthread_self(), "kcpshim");
	if ((error = engine_own_table(keep, 2)) == 0) {
		/* Only now: nothing that is opened may show in the program's table. */
		log_init(cfg->log_level, engine_log_fd(cfg, keep[1]), cfg->program);
		error = loop_init(l, cfg, engine.starting, keep[0]);
	}
	engine_report(error);
	if (error == 0)
		loop_run(l);
	if (error == 0 && l->carrier)
		_exit(0);
	/* A carrier took over (or it never started): this process has no engine any more, unless it keeps asking that carrier. */
	if (!atomic_load(&lane->remote))
		atomic_store(&lane->id, 0);
	return NULL;
}

static int
engine_control_socket(uint64_t id)
{
	struct sockaddr_un un;
	socklen_t len = ident_engine_name(id, &un);
	int fd = fdroom_socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (fd < 0)
		return -1;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && bind(fd, (struct sockaddr *)&un, len) == 0 && listen(fd, 1024) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The threads of one engine tell each other's addresses from their own; an id that had a thread may be a carrier's by now. */
static int
engine_choose_id(unsigned lane)
{
	uint64_t random;

	if (engine.family != 0 && (engine.used & 1u << lane) == 0) {
		engine.starting = engine.family | lane;
		engine.used |= 1u << lane;
		return 0;
	}
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return EIO;
	random &= UINT64_C(0xffffffffffff) & ~(uint64_t)(LANE_MAX - 1);
	engine.starting = random | lane;
	if (lane == 0 || engine.family == 0) {
		engine.family = random;
		engine.used = 1u << lane;
	}
	return 0;
}

static int
engine_spawn(struct loop *l, unsigned lane)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	if ((error = engine_choose_id(lane)) != 0)
		return error;
	if ((engine.ctl = engine_control_socket(engine.starting)) < 0)
		return errno;
	engine.ready = false;
	engine.loop = l;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, ENGINE_STACK);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, &attr, engine_thread, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	pthread_mutex_lock(&engine.lock);
	while (error == 0 && !engine.ready)
		pthread_cond_wait(&engine.cond, &engine.lock);
	pthread_mutex_unlock(&engine.lock);
	close(engine.ctl);
	return error != 0 ? error : engine.error;
}

/* engine=process: the loop moves out before it has anything to carry. */
static int
engine_move_out(uint64_t id)
{
	struct ctl_request q;
	struct ctl_reply r;
	struct sockaddr_un un;
	socklen_t len = ident_engine_name(id, &un);
	int fd = fdroom_socket(AF_UNIX, SOCK_SEQPACKET, 0), error = 0;

	memset(&q, 0, sizeof(q));
	memset(&r, 0, sizeof(r));
	q.magic = CTL_MAGIC;
	q.version = CTL_VERSION;
	q.op = CTL_MIGRATE;
	if (fd < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&un, len) != 0 || send(fd, &q, sizeof(q), MSG_NOSIGNAL) < 0 ||
	    recv(fd, &r, sizeof(r), 0) != (ssize_t)sizeof(r))
		error = errno != 0 ? errno : EPROTO;
	close(fd);
	return error != 0 ? error : r.error;
}

/* The caller holds engine.starter. */
static int
engine_start_lane(const struct config *cfg, unsigned lane, uint64_t *id)
{
	struct loop *l;
	int error;

	if ((*id = engine_lane(lane)) != 0)
		return 0;
	engine.cfg = cfg;
	l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (l == MAP_FAILED)
		return ENOMEM;
	if ((error = engine_spawn(l, lane)) != 0)
		return error;
	if (cfg->engine_process) {
		atomic_store(&engine.lanes[lane].remote, true);
		error = engine_move_out(engine.starting);
	}
	*id = engine.starting;
	if (error == 0)
		atomic_store_explicit(&engine.lanes[lane].id, engine.starting, memory_order_release);
	return error;
}

int
engine_start(const struct config *cfg, unsigned threads, uint64_t *id)
{
	unsigned lane = threads > 1 ? atomic_fetch_add(&engine.turn, 1) % threads : 0;
	int error;

	if ((*id = engine_lane(lane)) != 0)
		return 0;
	pthread_mutex_lock(&engine.starter);
	error = engine_start_lane(cfg, lane, id);
	if (error != 0 && lane != 0)
		error = engine_start_lane(cfg, 0, id);
	pthread_mutex_unlock(&engine.starter);
	return error;
}

int
engine_start_all(const struct config *cfg, unsigned threads, uint64_t *id)
{
	uint64_t other;
	int error;

	if (threads <= 1)
		return engine_start(cfg, 1, id);
	pthread_mutex_lock(&engine.starter);
	error = engine_start_lane(cfg, 0, id);
	/* Without one of the others the first will do. */
	for (unsigned i = 1; error == 0 && i < threads; i++)
		if (engine_start_lane(cfg, i, &other) != 0)
			break;
	pthread_mutex_unlock(&engine.starter);
	return error;
}
