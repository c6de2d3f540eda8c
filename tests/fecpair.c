#include "fecpair.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/endpoint.h"
#include "core/mem.h"

#define WALL_NS UINT64_C(1700000000000000000)
#define MESSAGES_MAX 200000u

struct pair {
	uint64_t now, end;
	struct mem *mem[2];
	struct endpoint *ep[2];
	struct simlink link[2];
	struct session *client, *server;
	uint64_t written, read, rate, next_write;
	uint32_t size, nmessages;
	uint64_t *written_at;
	double *latency;
	uint32_t arrived;
};

static struct path
path_of(int side)
{
	struct netaddr a = { .family = 4, .ip = { 10, 0, 0, 1 }, .port = 1001 }, b = { .family = 4, .ip = { 10, 0, 0, 2 }, .port = 80 };

	return (struct path){ .sock = 1, .local = side == 0 ? a : b, .remote = side == 0 ? b : a };
}

static uint8_t
byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 2654435761u >> 13);
}

static bool
write_some(struct pair *p, size_t left)
{
	struct iovec iov;

	while (left > 0 && session_send_reserve(p->client, &iov, 1, left) == 1) {
		for (size_t i = 0; i < iov.iov_len; i++)
			((uint8_t *)iov.iov_base)[i] = byte_at(p->written + i);
		p->written += iov.iov_len;
		left -= iov.iov_len;
		session_send_commit(p->client, iov.iov_len, p->now);
	}
	return left == 0;
}

static void
write_due(struct pair *p)
{
	if (session_state(p->client) != SESSION_ESTABLISHED || p->now >= p->end)
		return;
	if (p->rate == 0) {
		(void)write_some(p, 1u << 20);
		return;
	}
	for (; p->next_write <= p->now && p->nmessages < MESSAGES_MAX; p->next_write += (uint64_t)p->size * 1000000u / p->rate) {
		p->written_at[p->nmessages++] = p->next_write;
		ck_assert(write_some(p, p->size));
	}
}

static void
read_all(struct pair *p)
{
	struct iovec iov;

	while (session_recv_peek(p->server, &iov, 1) == 1) {
		for (size_t i = 0; i < iov.iov_len; i++)
			if (((uint8_t *)iov.iov_base)[i] != byte_at(p->read + i))
				ck_abort_msg("wrong byte at %llu", (unsigned long long)(p->read + i));
		p->read += iov.iov_len;
		session_recv_consume(p->server, iov.iov_len, p->now);
	}
	for (; p->arrived < p->nmessages && (uint64_t)(p->arrived + 1) * p->size <= p->read; p->arrived++)
		p->latency[p->arrived] = (double)(p->now - p->written_at[p->arrived]) / 1000;
}

static void
exchange(struct pair *p)
{
	uint8_t buf[SIMLINK_MAX];
	struct session *s;
	struct path path;
	size_t len;

	for (int i = 0; i < 2; i++) {
		struct path from = path_of(i);

		while ((len = simlink_take(&p->link[!i], buf, p->now)) > 0)
			(void)endpoint_input(p->ep[i], &from, buf, len, p->now);
		while ((s = endpoint_next_ready(p->ep[i])) != NULL) {
			session_take_events(s);
			if (i == 1)
				p->server = s;
		}
	}
	write_due(p);
	if (p->server != NULL)
		read_all(p);
	for (int i = 0; i < 2; i++)
		while ((len = endpoint_output(p->ep[i], &path, buf, sizeof(buf), p->now)) > 0)
			simlink_send(&p->link[i], buf, len, p->now);
}

static uint64_t
next_time(struct pair *p)
{
	uint64_t next = p->now + 100000, at;

	for (int i = 0; i < 2; i++) {
		if ((at = simlink_next(&p->link[i])) < next)
			next = at;
		if ((at = endpoint_deadline(p->ep[i])) < next)
			next = at;
	}
	if (p->rate != 0 && p->next_write < next && p->now < p->end)
		next = p->next_write;
	return next > p->now ? next : p->now + 1;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
start(struct pair *p, const struct session_config *client, const struct session_config *server, const struct simlink_config *link, uint64_t seed)
{
	struct path path = path_of(0);

	p->now = 5000000;
	for (int i = 0; i < 2; i++) {
		uint8_t bytes[32] = { (uint8_t)seed, (uint8_t)i };

		p->mem[i] = mem_new(0);
		p->ep[i] = endpoint_new(p->mem[i], bytes);
		simlink_init(&p->link[i], link, seed * 2 + (uint64_t)i);
		endpoint_set_time(p->ep[i], WALL_NS, p->now);
	}
	p->now += 1000000;
	ck_assert_int_gt(endpoint_listen(p->ep[1], 1, server), 0);
	p->client = endpoint_connect(p->ep[0], &path, client, p->now);
	p->written_at = calloc(MESSAGES_MAX, sizeof(*p->written_at));
	p->latency = calloc(MESSAGES_MAX, sizeof(*p->latency));
	ck_assert(p->client != NULL && p->written_at != NULL && p->latency != NULL);
}

struct fecpair_result
fecpair_run(const struct session_config *client, const struct session_config *server, const struct simlink_config *link,
    uint64_t rate, uint32_t size, double seconds, uint64_t seed)
{
	struct pair p = { .rate = rate, .size = size };
	struct fecpair_result r = { 0 };
	struct session_info info;

	start(&p, client, server, link, seed);
	while (session_state(p.client) == SESSION_CONNECTING) {
		exchange(&p);
		p.now = next_time(&p);
	}
	p.next_write = p.now;
	p.end = p.now + (uint64_t)(seconds * 1e6);
	while (p.now < p.end || (rate != 0 && p.arrived < p.nmessages && p.now < p.end + 60000000)) {
		exchange(&p);
		p.now = next_time(&p);
	}
	if (rate != 0) {
		ck_assert_uint_eq(p.arrived, p.nmessages);
		qsort(p.latency, p.arrived, sizeof(*p.latency), compare);
		r.p50 = p.latency[p.arrived / 2];
		r.p99 = p.latency[p.arrived - 1 - p.arrived / 100];
	}
	r.bytes = p.read;
	r.carried = p.link[0].carried_bytes + p.link[1].carried_bytes;
	session_get_info(p.server, &info);
	r.restored = info.restored;
	r.dropped = info.dropped;
	session_get_info(p.client, &info);
	r.sent = info.datagrams_sent;
	for (int i = 0; i < 2; i++) {
		endpoint_free(p.ep[i]);
		ck_assert_uint_eq(mem_used(p.mem[i]), 0);
		mem_destroy(p.mem[i]);
		simlink_dispose(&p.link[i]);
	}
	free(p.written_at);
	free(p.latency);
	return r;
}
