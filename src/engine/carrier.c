#include "carrier.h"

#include <errno.h>
#include <gmp.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/mem.h"
#include "config.h"
#include "control.h"
#include "fdroom.h"
#include "log.h"

/* fork() without what libc and the program hang on it: no pthread_atfork handlers run (they are the program's, and its descriptors
 * are not in this table), and with exit signal 0 neither SIGCHLD nor wait(-1) shows the child to the program. */
static pid_t
carrier_fork(void)
{
	return (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
}

/* GMP (below X25519) allocates; malloc's locks may be held for ever in the orphan, where no other thread exists. */
static struct mem *carrier_mem;

static void *
carrier_gmp_alloc(size_t n)
{
	void *p = mem_alloc_raw(carrier_mem, n);

	if (p == NULL)
		_exit(1);
	return p;
}

static void
carrier_gmp_free(void *p, size_t n)
{
	mem_free(carrier_mem, p, n);
}

static void *
carrier_gmp_realloc(void *p, size_t old, size_t n)
{
	void *q = carrier_gmp_alloc(n);

	memcpy(q, p, old < n ? old : n);
	carrier_gmp_free(p, old);
	return q;
}

/* Whoever reads the program's standard error through a pipe waits for its end, which is the program's, not the carrier's. */
static void
carrier_leave_stderr(const struct loop *l)
{
	if (l->cfg->log_file[0] == '\0')
		log_end();
}

static void
carrier_home_ready(struct loop *l, struct source *src, uint32_t events)
{
	carrier_leave_stderr(l);
	l->home_gone = true;
	loop_close(l, src);
}

/* In the orphan: cut the ties to the program's session, terminal and directory. */
static void
carrier_settle(struct loop *l, pid_t home)
{
	l->carrier = true;
	l->pid = getpid();
	carrier_mem = l->mem;
	fdroom_forked();
	mp_set_memory_functions(carrier_gmp_alloc, carrier_gmp_realloc, carrier_gmp_free);
	(void)setsid();
	if (chdir("/") != 0)
		log_debug("chdir: %s", strerror(errno));
	(void)prctl(PR_SET_NAME, "kcpshim");
	if (!l->cfg->engine_process)
		carrier_leave_stderr(l);
	if (l->cfg->engine_process && (l->home = mem_alloc(l->mem, sizeof(*l->home))) != NULL) {
		*l->home = (struct source){ .fd = (int)syscall(SYS_pidfd_open, home, 0), .ready = carrier_home_ready,
			.size = sizeof(*l->home) };
		if (l->home->fd < 0 || loop_add(l, l->home, EPOLLIN) != 0)
			l->home_gone = true;
	}
}

void
carrier_migrate(struct loop *l, struct ctl_client *c)
{
	pid_t home = l->pid, middle;
	int status;

	/* Already carried, or nothing that outlives the program. An engine=process carrier starts empty. */
	if (l->carrier || (!l->cfg->engine_process && l->nconns == 0 && LIST_EMPTY(&l->listeners))) {
		control_reply_error(l, c, 0);
		return;
	}
	if ((middle = carrier_fork()) < 0) {
		control_reply_error(l, c, errno);
		return;
	}
	if (middle == 0) {
		pid_t orphan = carrier_fork();

		if (orphan != 0)
			_exit(orphan < 0 ? errno : 0);
		carrier_settle(l, home);
		if (loop_reopen(l) != 0)
			_exit(1); /* the program's thread sees its request end without an answer */
		l->reopened = true;
		control_reply_error(l, c, 0);
		return;
	}
	while (waitpid(middle, &status, __WALL) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		l->quit = true;
	else
		control_reply_error(l, c, WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN);
}
