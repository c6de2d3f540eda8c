#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl.h"
#include "engine/engine.h"
#include "environ.h"
#include "real.h"
#include "table.h"

struct shim shim;

bool
shim_ident(int fd, struct ident *id)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);
	int saved = errno;
	bool ours;

	ours = real()->getpeername(fd, (struct sockaddr *)&un, &len) == 0 && ident_parse(id, &un, len);
	errno = saved;
	return ours;
}

void
shim_note(const struct ident *id)
{
	if (id->role == IDENT_LISTENER)
		atomic_store(&shim.may_listen, true);
	atomic_store(&shim.may_hold_ours, true);
}

/* In a page that fork() hands to the child as zeros: tells a child made by a raw clone(), which runs no fork handler,
 * from one made by vfork(), which shares our memory and must find it untouched. NULL when there is no such page. */
static atomic_bool *fork_mark;

static void
forked_in_child(void)
{
	if (fork_mark)
		atomic_store(fork_mark, true);
	atomic_store(&shim.engine_owner, 0);
	table_forked();
	engine_forked();
}

static void
fork_mark_start(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	if (madvise(page, size, MADV_WIPEONFORK) != 0) {
		munmap(page, size);
		return;
	}
	fork_mark = page;
	atomic_store(fork_mark, true);
}

static unsigned
wanted_threads(enum rules_role role, const struct netaddr *a)
{
	struct rules_options opts;
	struct netaddr key = *a;

	if (shim.config.threads <= 1)
		return 1;
	netaddr_unmap(&key);
	(void)config_match(&shim.config, role, &key, &opts);
	return (opts.set & 1u << RULES_OPT_THREADS) != 0 ? opts.threads : 1;
}

int
shim_engine(enum rules_role role, const struct netaddr *a, uint64_t *id)
{
	unsigned threads = wanted_threads(role, a);
	int cancel, error;

	if (fork_mark && !atomic_load(fork_mark))
		forked_in_child();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (role == RULES_LISTEN)
		error = engine_start_all(&shim.config, threads, id);
	else
		error = engine_start(&shim.config, threads, id);
	pthread_setcancelstate(cancel, NULL);
	if (error == 0)
		atomic_store(&shim.engine_owner, getpid());
	return error;
}

void
shim_leave(void)
{
	int owner = atomic_load(&shim.engine_owner);
	uint64_t ids[ENGINE_THREADS_MAX];
	struct ctl_request req;
	struct ctl_reply rep;
	int saved = errno;
	unsigned n;

	/* A child made by vfork() or a raw clone() sees its parent's engine, and must leave it alone. */
	if (owner == 0 || owner != getpid())
		return;
	n = engine_list(ids);
	for (unsigned i = 0; i < n; i++) {
		ctl_prepare(&req, CTL_MIGRATE, NULL);
		(void)ctl_exchange(ids[i], &req, -1, &rep, NULL);
	}
	errno = saved;
}

int
shim_copy_address(const struct netaddr *a, int domain, struct sockaddr *to, socklen_t *len)
{
	struct sockaddr_storage ss;
	socklen_t full, room;

	if (len == NULL)
		return EFAULT;
	room = *len;
	if ((int)room < 0)
		return EINVAL;
	full = ident_to_sockaddr(a, domain, &ss);
	if (room > full)
		room = full;
	if (room != 0) {
		if (to == NULL)
			return EFAULT;
		memcpy(to, &ss, room);
	}
	*len = full;
	return 0;
}

/* Descriptors that came from the program before this one. Start-up only: later ones are noted as they arrive. */
static void
find_inherited(void)
{
	char buf[1024] __attribute__((aligned(8)));
	struct ident id;
	ssize_t n;
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	while ((n = getdents64(dir, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(buf + at);

			at += d->d_reclen;
			if (d->d_name[0] >= '0' && d->d_name[0] <= '9' && shim_ident(atoi(d->d_name), &id))
				shim_note(&id);
		}
	}
	real_dispose(dir);
}

__attribute__((constructor)) static void
shim_start(void)
{
	static struct config loaded;
	bool secure = getauxval(AT_SECURE) != 0;
	char err[512], line[600];
	int saved = errno, n;

	(void)real();
	if (config_load(&loaded, secure, err, sizeof(err)) != 0) {
		n = snprintf(line, sizeof(line), "kcpshim: %s\n", err);
		if (write(STDERR_FILENO, line, (size_t)n) != n)
			real()->_exit(3);
		real()->_exit(2);
	}
	if (!secure) {
		environ_remember();
		find_inherited();
	}
	shim.config = loaded;
	if (shim.config.active) {
		fork_mark_start();
		pthread_atfork(NULL, NULL, forked_in_child);
	}
	errno = saved;
}

/* exit() comes here after the program's own handlers; what stdio writes later still finds the pair. */
__attribute__((destructor)) static void
shim_finish(void)
{
	shim_leave();
}
