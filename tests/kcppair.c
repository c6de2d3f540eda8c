#include "kcppair.h"

#include <stdlib.h>
#include <string.h>

void
kcppair_init(struct kcppair *p, const struct kcp_config *cfg, const struct simlink_config *ab,
    const struct simlink_config *ba, uint64_t seed, uint64_t now)
{
	memset(p, 0, sizeof(*p));
	p->mem = mem_new(0);
	p->codec = cfg->codec;
	p->conv = cfg->conv;
	p->now = now;
	p->a = kcp_new(p->mem, cfg, now);
	p->b = kcp_new(p->mem, cfg, now);
	if (p->a == NULL || p->b == NULL)
		abort();
	simlink_init(&p->ab, ab, seed * 2 + 1);
	simlink_init(&p->ba, ba, seed * 2 + 2);
}

void
kcppair_dispose(struct kcppair *p)
{
	kcp_free(p->a);
	kcp_free(p->b);
	mem_destroy(p->mem);
	simlink_dispose(&p->ab);
	simlink_dispose(&p->ba);
}

int
kcppair_feed(struct kcp *k, enum wire_codec codec, uint32_t conv, const uint8_t *buf, size_t len, uint64_t now)
{
	struct wire_reader r;
	struct wire_frame f;
	int rc = wire_reader_init(&r, codec, conv, buf, len);

	if (rc < 0)
		return rc;
	while ((rc = wire_next(&r, &f)) > 0)
		kcp_input(k, &f, now);
	kcp_input_done(k, now);
	return rc;
}

static void
flush(struct kcppair *p, struct kcp *k, struct simlink *l)
{
	uint8_t buf[SIMLINK_MAX];

	for (;;) {
		struct wire_writer w;

		wire_writer_init(&w, p->codec, p->conv, buf, kcp_get_config(k)->mtu > 1472 ? sizeof(buf) : 1472);
		if (!kcp_output(k, &w, p->now))
			break;
		simlink_send(l, buf, w.len, p->now);
	}
}

static void
arrive(struct kcppair *p, struct kcp *k, struct simlink *l)
{
	uint8_t buf[SIMLINK_MAX];
	size_t len;

	while ((len = simlink_take(l, buf, p->now)) > 0)
		kcppair_feed(k, p->codec, p->conv, buf, len, p->now);
}

void
kcppair_step(struct kcppair *p)
{
	arrive(p, p->a, &p->ba);
	arrive(p, p->b, &p->ab);
	flush(p, p->a, &p->ab);
	flush(p, p->b, &p->ba);
}

uint64_t
kcppair_next(const struct kcppair *p)
{
	uint64_t at[4] = { kcp_deadline(p->a), kcp_deadline(p->b), simlink_next(&p->ab), simlink_next(&p->ba) };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 4; i++)
		if (at[i] < least)
			least = at[i];
	return least;
}

void
kcppair_run(struct kcppair *p, uint64_t until)
{
	unsigned stuck = 0;

	for (;;) {
		uint64_t next;

		kcppair_step(p);
		next = kcppair_next(p);
		if (next > until)
			break;
		/* A deadline that stays in the past would make an engine spin. */
		stuck = next <= p->now ? stuck + 1 : 0;
		if (stuck > 1000)
			abort();
		if (next > p->now)
			p->now = next;
	}
	if (until > p->now)
		p->now = until;
}

size_t
kcppair_write(struct kcp *k, const uint8_t *data, size_t len, uint64_t now)
{
	size_t done = 0;

	while (done < len) {
		struct iovec iov[16];
		size_t took = 0;
		int n = kcp_send_reserve(k, iov, 16, len - done);

		if (n == 0)
			break;
		for (int i = 0; i < n; i++) {
			memcpy(iov[i].iov_base, data + done + took, iov[i].iov_len);
			took += iov[i].iov_len;
		}
		kcp_send_commit(k, took, now);
		done += took;
	}
	return done;
}

size_t
kcppair_read(struct kcp *k, uint8_t *data, size_t len, uint64_t now)
{
	size_t done = 0;

	while (done < len) {
		struct iovec iov[16];
		size_t took = 0;
		int n = kcp_recv_peek(k, iov, 16);

		for (int i = 0; i < n && done + took < len; i++) {
			size_t part = iov[i].iov_len < len - done - took ? iov[i].iov_len : len - done - took;

			memcpy(data + done + took, iov[i].iov_base, part);
			took += part;
		}
		if (took == 0)
			break;
		kcp_recv_consume(k, took, now);
		done += took;
	}
	return done;
}
