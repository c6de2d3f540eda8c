#include "simnet.h"

#include <stdlib.h>
#include <string.h>

#define BURST_MAX_US 500000

uint64_t
simnet_random(struct simnet_rng *r)
{
	/* splitmix64 */
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t
simnet_below(struct simnet_rng *r, uint64_t n)
{
	return simnet_random(r) % n;
}

bool
simnet_chance(struct simnet_rng *r, uint32_t chance)
{
	return simnet_below(r, 1000) < chance;
}

void
simnet_init(struct simnet *net, const struct simnet_link *link, uint64_t seed)
{
	memset(net, 0, sizeof(*net));
	net->link = *link;
	net->rng.state = seed;
}

void
simnet_dispose(struct simnet *net)
{
	size_t i;

	for (i = 0; i < net->n; i++)
		free(net->heap[i]);
	free(net->heap);
	memset(net, 0, sizeof(*net));
}

static bool
earlier(const struct simnet_datagram *a, const struct simnet_datagram *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
swap(struct simnet *net, size_t i, size_t j)
{
	struct simnet_datagram *d = net->heap[i];

	net->heap[i] = net->heap[j];
	net->heap[j] = d;
}

static void
push(struct simnet *net, struct simnet_datagram *d)
{
	size_t i = net->n++;

	if (net->n > net->cap) {
		net->cap = net->cap == 0 ? 64 : net->cap * 2;
		net->heap = realloc(net->heap, net->cap * sizeof(struct simnet_datagram *));
		if (net->heap == NULL)
			abort();
	}
	net->heap[i] = d;
	for (; i > 0 && earlier(net->heap[i], net->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(net, i, (i - 1) / 2);
}

static struct simnet_datagram *
pop(struct simnet *net)
{
	struct simnet_datagram *d = net->heap[0];
	size_t i = 0, c;

	net->heap[0] = net->heap[--net->n];
	while ((c = 2 * i + 1) < net->n) {
		if (c + 1 < net->n && earlier(net->heap[c + 1], net->heap[c]))
			c++;
		if (!earlier(net->heap[c], net->heap[i]))
			break;
		swap(net, i, c);
		i = c;
	}
	return d;
}

static void
damage(struct simnet *net, struct simnet_datagram *d)
{
	unsigned flips = 1 + (unsigned)simnet_below(&net->rng, 3);

	if (d->len > 1 && simnet_chance(&net->rng, 250)) {
		d->len = 1 + simnet_below(&net->rng, d->len - 1);
		return;
	}
	while (flips-- > 0)
		d->data[simnet_below(&net->rng, d->len)] ^= (uint8_t)(1u << simnet_below(&net->rng, 8));
}

static void
enqueue(struct simnet *net, int to, const struct path *path, const uint8_t *data, size_t len, uint64_t at)
{
	struct simnet_datagram *d = malloc(sizeof(*d));

	if (d == NULL || len > sizeof(d->data))
		abort();
	d->at = at;
	d->order = net->order++;
	d->to = to;
	d->path = *path;
	d->mark = net->mark;
	d->len = len;
	memcpy(d->data, data, len);
	if (simnet_chance(&net->rng, net->link.corrupt))
		damage(net, d);
	push(net, d);
}

static bool
lose(struct simnet *net, int to, uint64_t now)
{
	const struct simnet_link *l = &net->link;

	if (now >= net->burst_until[to])
		net->burst_until[to] = simnet_chance(&net->rng, l->burst_start) ? now + BURST_MAX_US : 0;
	else if (simnet_chance(&net->rng, l->burst_end))
		net->burst_until[to] = 0;
	return net->burst_until[to] > now || simnet_chance(&net->rng, l->loss) ||
	    (now >= l->blackout_at && now < l->blackout_at + l->blackout);
}

void
simnet_send(struct simnet *net, int to, const struct path *path, const uint8_t *data, size_t len, uint64_t now)
{
	const struct simnet_link *l = &net->link;
	uint64_t at = now + l->delay + (l->jitter > 0 ? simnet_below(&net->rng, l->jitter) : 0);

	net->sent++;
	if (l->mtu != 0 && now >= l->mtu_at && len > l->mtu && !net->fragment) {
		net->too_big++;
		return;
	}
	if (lose(net, to, now)) {
		net->lost++;
		return;
	}
	enqueue(net, to, path, data, len, at);
	if (simnet_chance(&net->rng, l->dup))
		enqueue(net, to, path, data, len, at + simnet_below(&net->rng, 1000 + l->jitter));
	if (simnet_chance(&net->rng, l->dup_late))
		enqueue(net, to, path, data, len, at + simnet_below(&net->rng, 5000000));
}

uint64_t
simnet_next(const struct simnet *net)
{
	return net->n > 0 ? net->heap[0]->at : UINT64_MAX;
}

struct simnet_datagram *
simnet_receive(struct simnet *net, uint64_t now)
{
	return net->n > 0 && net->heap[0]->at <= now ? pop(net) : NULL;
}
