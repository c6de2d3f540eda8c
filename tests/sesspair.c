#include "sesspair.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/error.h"

#define START_US UINT64_C(5000000)
#define WALL_NS UINT64_C(1700000000000000000)  /* at START_US */

struct path
sesspair_path(int side, uint32_t sock)
{
	struct netaddr client = { .family = 4, .ip = { 10, 0, 0, 1 }, .port = (uint16_t)(1000 + sock) };
	struct netaddr server = { .family = 4, .ip = { 10, 0, 0, 2 }, .port = 80 };
	struct path p = { .sock = side == 0 ? sock : 1, .local = side == 0 ? client : server, .remote = side == 0 ? server : client };

	return p;
}

void
sesspair_init(struct sesspair *sp, const struct session_config *cfg)
{
	uint8_t seed[32] = { 1 };
	int i;

	memset(sp, 0, sizeof(*sp));
	sp->now = START_US;
	sp->log = calloc(SESSPAIR_LOG, sizeof(*sp->log));
	ck_assert_ptr_nonnull(sp->log);
	for (i = 0; i < 2; i++) {
		seed[1] = (uint8_t)i;
		sp->mem[i] = mem_new(0);
		sp->ep[i] = endpoint_new(sp->mem[i], seed);
		ck_assert_ptr_nonnull(sp->ep[i]);
		endpoint_set_time(sp->ep[i], WALL_NS, sp->now);
	}
	/* What a client says before the server was there is never new to it. */
	sp->now += 1000000;
	sp->listener = endpoint_listen(sp->ep[1], 1, cfg);
	ck_assert_int_gt(sp->listener, 0);
}

void
sesspair_restart(struct sesspair *sp, const struct session_config *cfg, const uint8_t *reset_secret)
{
	uint8_t seed[32] = { 2 };

	memcpy(seed + 1, &sp->now, sizeof(sp->now));
	endpoint_free(sp->ep[1]);
	sp->ep[1] = endpoint_new(sp->mem[1], seed);
	ck_assert_ptr_nonnull(sp->ep[1]);
	endpoint_set_time(sp->ep[1], WALL_NS + (sp->now - START_US) * 1000, sp->now);
	if (reset_secret != NULL)
		endpoint_set_reset_secret(sp->ep[1], reset_secret);
	sp->listener = endpoint_listen(sp->ep[1], 1, cfg);
	ck_assert_int_gt(sp->listener, 0);
}

void
sesspair_dispose(struct sesspair *sp)
{
	int i;

	for (i = 0; i < 2; i++) {
		endpoint_free(sp->ep[i]);
		ck_assert_uint_eq(mem_used(sp->mem[i]), 0);
		mem_destroy(sp->mem[i]);
	}
	free(sp->log);
}

struct session *
sesspair_connect(struct sesspair *sp, uint32_t sock, const struct session_config *cfg)
{
	struct path p = sesspair_path(0, sock);
	struct session *s = endpoint_connect(sp->ep[0], &p, cfg, sp->now);

	ck_assert_ptr_nonnull(s);
	return s;
}

static void
send_due(struct sesspair *sp, int side)
{
	struct sesspair_datagram *d;
	size_t len;

	do {
		ck_assert_int_lt(sp->nlog, SESSPAIR_LOG);
		d = &sp->log[sp->nlog];
		len = endpoint_output(sp->ep[side], &d->path, d->data, sizeof(d->data), sp->now);
		if (len == 0)
			break;
		d->at = sp->now;
		d->from = side;
		d->len = len;
		sp->gone[sp->nlog++] = sp->cut[side];
		sp->lost += sp->cut[side];
	} while (true);
}

int
sesspair_replay(struct sesspair *sp, int i)
{
	struct sesspair_datagram copy = sp->log[i];
	struct path p;

	p = copy.from == 0 ? sesspair_path(1, copy.path.sock) : sesspair_path(0, copy.path.remote.port - 1000u - sp->nat);
	if (copy.from == 0)
		p.remote.port = (uint16_t)(p.remote.port + sp->nat);
	else if (copy.path.remote.port < 1000u + sp->nat)
		return KCPSHIM_E_UNKNOWN;
	return endpoint_input(sp->ep[!copy.from], &p, copy.data, copy.len, sp->now);
}

void
sesspair_run(struct sesspair *sp, uint64_t until)
{
	uint64_t next, at;
	int i;

	for (;;) {
		for (i = 0; i < 2; i++)
			send_due(sp, i);
		next = until;
		if (sp->delivered < sp->nlog && sp->log[sp->delivered].at + SESSPAIR_DELAY + sp->far < next)
			next = sp->log[sp->delivered].at + SESSPAIR_DELAY + sp->far;
		for (i = 0; i < 2; i++) {
			at = endpoint_deadline(sp->ep[i]);
			if (at < next)
				next = at;
		}
		if (next > sp->now)
			sp->now = next;
		while (sp->delivered < sp->nlog && sp->log[sp->delivered].at + SESSPAIR_DELAY + sp->far <= sp->now) {
			if (!sp->gone[sp->delivered])
				sesspair_replay(sp, sp->delivered);
			sp->delivered++;
		}
		if (sp->now >= until)
			break;
	}
	for (i = 0; i < 2; i++)
		send_due(sp, i);
}

void
sesspair_settle(struct sesspair *sp)
{
	uint64_t end = sp->now + 60000000, next;
	int i;

	do {
		sesspair_run(sp, sp->now + 1000);
		next = UINT64_MAX;
		for (i = 0; i < 2; i++)
			if (endpoint_deadline(sp->ep[i]) < next)
				next = endpoint_deadline(sp->ep[i]);
	} while (sp->now < end && (sp->delivered < sp->nlog || next < sp->now + 1000000));
}

struct session *
sesspair_accept(struct sesspair *sp)
{
	struct session *s = endpoint_next_ready(sp->ep[1]);

	if (s != NULL)
		session_take_events(s);
	return s;
}

void
sesspair_open(struct sesspair *sp, const struct session_config *cfg, struct session **client, struct session **server)
{
	*client = sesspair_connect(sp, 1, cfg);
	sesspair_settle(sp);
	ck_assert_ptr_eq(endpoint_next_ready(sp->ep[0]), *client);
	ck_assert_uint_ne(session_take_events(*client) & SESSION_EV_OPENED, 0);
	*server = sesspair_accept(sp);
	ck_assert_ptr_nonnull(*server);
	ck_assert_int_eq(session_state(*client), SESSION_ESTABLISHED);
	ck_assert_int_eq(session_state(*server), SESSION_ESTABLISHED);
}

void
sesspair_write(struct sesspair *sp, struct session *s, const char *text)
{
	size_t left = strlen(text), n;
	struct iovec iov;

	while (left > 0) {
		ck_assert_int_eq(session_send_reserve(s, &iov, 1, left), 1);
		n = iov.iov_len < left ? iov.iov_len : left;
		memcpy(iov.iov_base, text, n);
		session_send_commit(s, n, sp->now);
		text += n;
		left -= n;
	}
}

size_t
sesspair_read(struct sesspair *sp, struct session *s, char *buf, size_t cap)
{
	struct iovec iov;
	size_t got = 0, n;

	while (got < cap - 1 && session_recv_peek(s, &iov, 1) == 1) {
		n = iov.iov_len < cap - 1 - got ? iov.iov_len : cap - 1 - got;
		memcpy(buf + got, iov.iov_base, n);
		session_recv_consume(s, n, sp->now);
		got += n;
	}
	buf[got] = '\0';
	return got;
}

int
sesspair_sent(const struct sesspair *sp, int from, int since)
{
	int i, n = 0;

	for (i = since; i < sp->nlog; i++)
		n += sp->log[i].from == from;
	return n;
}
