#include "simlink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 */
uint64_t
simlink_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

double
simlink_uniform(uint64_t *state)
{
	return (double)(simlink_random(state) >> 11) / 9007199254740992.0;
}

void
simlink_init(struct simlink *l, const struct simlink_config *cfg, uint64_t seed)
{
	memset(l, 0, sizeof(*l));
	l->cfg = *cfg;
	l->rng = seed;
}

void
simlink_dispose(struct simlink *l)
{
	while (l->count > 0)
		free(l->heap[--l->count].data);
	free(l->heap);
	free(l->model);
	l->heap = NULL;
	l->model = NULL;
}

static bool
earlier(const struct simlink_packet *a, const struct simlink_packet *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
heap_push(struct simlink *l, struct simlink_packet p)
{
	size_t i = l->count++;

	if (l->count > l->cap) {
		l->cap = l->cap != 0 ? l->cap * 2 : 64;
		l->heap = realloc(l->heap, l->cap * sizeof(*l->heap));
		if (l->heap == NULL)
			abort();
	}
	for (; i > 0 && earlier(&p, &l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = p;
}

static struct simlink_packet
heap_pop(struct simlink *l)
{
	struct simlink_packet top = l->heap[0], p = l->heap[--l->count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < l->count) {
		if (child + 1 < l->count && earlier(&l->heap[child + 1], &l->heap[child]))
			child++;
		if (!earlier(&l->heap[child], &p))
			break;
		l->heap[i] = l->heap[child];
		i = child;
	}
	l->heap[i] = p;
	return top;
}

static bool
lost(struct simlink *l)
{
	if (l->burst_left > 0) {
		l->burst_left--;
		return true;
	}
	if (l->cfg.burst > 0 && simlink_uniform(&l->rng) < l->cfg.burst) {
		l->burst_left = l->cfg.burst_len - 1;
		return true;
	}
	return l->cfg.loss > 0 && simlink_uniform(&l->rng) < l->cfg.loss;
}

static uint64_t
arrival(struct simlink *l, uint64_t left_at)
{
	uint64_t at = left_at + l->cfg.delay;

	if (l->cfg.jitter > 0)
		at += (uint64_t)(simlink_uniform(&l->rng) * (double)l->cfg.jitter);
	if (l->cfg.sigma > 0) {
		double z = sqrt(-2 * log(1 - simlink_uniform(&l->rng))) * cos(6.283185307179586 * simlink_uniform(&l->rng));
		double d = z * (double)l->cfg.sigma;

		at = d < -(double)l->cfg.delay ? left_at : (uint64_t)((double)at + d);
	}
	if (!l->cfg.reorder && at < l->last_arrival)
		at = l->last_arrival;
	l->last_arrival = at;
	return at;
}

void
simlink_deliver(struct simlink *l, const uint8_t *data, size_t len, uint64_t at)
{
	struct simlink_packet p = { .at = at, .len = len, .order = l->order++ };

	p.data = malloc(len > 0 ? len : 1);
	if (p.data == NULL)
		abort();
	memcpy(p.data, data, len);
	if (l->cfg.corrupt > 0 && len > 0 && simlink_uniform(&l->rng) < l->cfg.corrupt)
		p.data[simlink_random(&l->rng) % len] ^= (uint8_t)(1u << (simlink_random(&l->rng) % 8));
	heap_push(l, p);
}

void
simlink_send(struct simlink *l, const uint8_t *data, size_t len, uint64_t now)
{
	uint64_t wire = len + SIMLINK_OVERHEAD, left_at = now;

	l->offered++;
	l->offered_bytes += wire;
	if (l->offer != NULL) {
		l->offer(l, data, len, now);
		return;
	}
	if (l->cfg.rate > 0) {
		uint64_t start = l->busy_until > now ? l->busy_until : now;
		uint64_t waiting = (start - now) * l->cfg.rate / 1000000u;

		if (l->cfg.queue > 0 && waiting + wire > l->cfg.queue) {
			l->queue_drops++;
			return;
		}
		left_at = l->busy_until = start + (wire * 1000000u + l->cfg.rate - 1) / l->cfg.rate;
	}
	l->carried_bytes += wire;
	if (lost(l)) {
		l->random_drops++;
		return;
	}
	simlink_deliver(l, data, len, arrival(l, left_at));
	if (l->cfg.dup > 0 && simlink_uniform(&l->rng) < l->cfg.dup)
		simlink_deliver(l, data, len, arrival(l, left_at));
}

uint64_t
simlink_next(const struct simlink *l)
{
	return l->count > 0 ? l->heap[0].at : UINT64_MAX;
}

size_t
simlink_take(struct simlink *l, uint8_t *buf, uint64_t now)
{
	struct simlink_packet p;

	if (l->count == 0 || l->heap[0].at > now)
		return 0;
	p = heap_pop(l);
	memcpy(buf, p.data, p.len < SIMLINK_MAX ? p.len : SIMLINK_MAX);
	free(p.data);
	l->delivered++;
	l->delivered_bytes += p.len + SIMLINK_OVERHEAD;
	return p.len < SIMLINK_MAX ? p.len : SIMLINK_MAX;
}
