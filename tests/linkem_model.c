#include "linkem_model.h"

#include <math.h>
#include <string.h>

static uint64_t
rng_next(struct linkem_rng *rng)
{
	/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014 */
	uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

double
linkem_rng_unit(struct linkem_rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

/* Standard normal by Box and Muller; one of the pair is thrown away, so that each packet draws as often. */
static double
rng_normal(struct linkem_rng *rng)
{
	double u = 1.0 - linkem_rng_unit(rng);
	double v = linkem_rng_unit(rng);

	return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

static uint64_t
queue_limit(const struct linkem_profile *profile)
{
	if (profile->rate == 0)
		return UINT64_MAX;
	if (profile->queue_bytes != 0)
		return (uint64_t)((double)profile->queue_bytes * 8e9 / (double)profile->rate);
	return profile->queue_ns != 0 ? profile->queue_ns : UINT64_MAX;
}

void
linkem_direction_init(struct linkem_direction *dir, const struct linkem_profile *profile, uint64_t seed,
	uint64_t now_ns)
{
	struct linkem_rng root = {seed};

	memset(dir, 0, sizeof(*dir));
	dir->profile = *profile;
	for (unsigned i = 0; i < LINKEM_RNG_COUNT; i++)
		dir->rng[i].state = rng_next(&root);
	dir->start_ns = now_ns;
	dir->queue_limit_ns = queue_limit(profile);
	dir->busy_until_ns = now_ns;
}

void
linkem_direction_set_blackout(struct linkem_direction *dir, bool on)
{
	dir->forced_blackout = on;
}

/* Time at which the last bit has left, or UINT64_MAX when the queue is full. */
static uint64_t
transmit(struct linkem_direction *dir, uint64_t now_ns, size_t len)
{
	uint64_t begin = dir->busy_until_ns > now_ns ? dir->busy_until_ns : now_ns;
	uint64_t bits;

	if (dir->profile.rate == 0)
		return now_ns;
	if (begin - now_ns > dir->queue_limit_ns)
		return UINT64_MAX;
	if (begin == now_ns)
		dir->rate_remainder = 0;
	bits = (uint64_t)len * 8 * LINKEM_NS_PER_S + dir->rate_remainder;
	dir->rate_remainder = bits % dir->profile.rate;
	dir->busy_until_ns = begin + bits / dir->profile.rate;
	return dir->busy_until_ns;
}

static bool
in_blackout(const struct linkem_direction *dir, uint64_t at_ns)
{
	const struct linkem_profile *profile = &dir->profile;
	uint64_t since = at_ns - dir->start_ns;

	if (dir->forced_blackout)
		return true;
	if (profile->blackout_ns == 0 || since < profile->blackout_at_ns)
		return false;
	since -= profile->blackout_at_ns;
	if (profile->blackout_period_ns != 0)
		since %= profile->blackout_period_ns;
	return since < profile->blackout_ns;
}

/* Gilbert-Elliott with a good state that loses nothing and a bad one that loses all. */
static bool
is_lost(struct linkem_direction *dir)
{
	double loss = dir->profile.loss;
	double burst = dir->profile.burst;
	double draw = linkem_rng_unit(&dir->rng[LINKEM_RNG_LOSS]);

	if (loss <= 0.0)
		return false;
	if (loss >= 1.0)
		return true;
	if (burst <= 1.0)
		return draw < loss;
	if (dir->in_burst)
		dir->in_burst = draw >= 1.0 / burst;
	else
		dir->in_burst = draw < loss / (burst * (1.0 - loss));
	return dir->in_burst;
}

static uint64_t
propagation(struct linkem_direction *dir, uint64_t at_ns)
{
	const struct linkem_profile *profile = &dir->profile;
	double z, delay;

	if (profile->jitter_ns == 0)
		return profile->delay_ns;
	z = rng_normal(&dir->rng[LINKEM_RNG_JITTER]);
	if (profile->jitter_tau_ns != 0) {
		/* Ornstein-Uhlenbeck, so that the correlation belongs to time and not to the number of packets */
		if (dir->jitter_valid) {
			double keep = exp(-(double)(at_ns - dir->jitter_at_ns) / (double)profile->jitter_tau_ns);

			z = keep * dir->jitter_z + sqrt(1.0 - keep * keep) * z;
		}
		dir->jitter_z = z;
		dir->jitter_at_ns = at_ns;
		dir->jitter_valid = true;
	}
	delay = (double)profile->delay_ns + z * (double)profile->jitter_ns;
	return delay > 0.0 ? (uint64_t)delay : 0;
}

static uint64_t
delivery_time(struct linkem_direction *dir, uint64_t sent_ns)
{
	uint64_t due = sent_ns + propagation(dir, sent_ns);

	if (due < dir->last_due_ns) {
		if (!dir->profile.reorder)
			return dir->last_due_ns;
		dir->counters.overtaken++;
	} else {
		dir->last_due_ns = due;
	}
	return due;
}

static void
deliver(struct linkem_direction *dir, uint64_t sent_ns, size_t len, struct linkem_verdict *verdict)
{
	bool twice = linkem_rng_unit(&dir->rng[LINKEM_RNG_DUPLICATE]) < dir->profile.duplicate;
	struct linkem_rng *rng = &dir->rng[LINKEM_RNG_CORRUPT];

	verdict->fate = LINKEM_DELIVER;
	verdict->copies = twice ? 2 : 1;
	for (unsigned i = 0; i < verdict->copies; i++)
		verdict->due_ns[i] = delivery_time(dir, sent_ns);
	if (twice && verdict->due_ns[1] < verdict->due_ns[0]) {
		uint64_t earlier = verdict->due_ns[1];

		verdict->due_ns[1] = verdict->due_ns[0];
		verdict->due_ns[0] = earlier;
	}
	verdict->corrupt = linkem_rng_unit(rng) < dir->profile.corrupt;
	verdict->corrupt_bit = (uint32_t)(rng_next(rng) >> 32);

	dir->counters.delivered += verdict->copies;
	dir->counters.delivered_bytes += verdict->copies * len;
	dir->counters.duplicated += twice;
	dir->counters.corrupted += verdict->corrupt;
}

void
linkem_direction_offer(struct linkem_direction *dir, uint64_t now_ns, size_t len, struct linkem_verdict *verdict)
{
	struct linkem_counters *counters = &dir->counters;
	uint64_t mark_ns = dir->profile.mark_ns;
	bool mark = mark_ns != 0 && dir->busy_until_ns > now_ns + mark_ns;
	uint64_t sent_ns = transmit(dir, now_ns, len);

	memset(verdict, 0, sizeof(*verdict));
	verdict->mark = mark;
	counters->offered++;
	counters->offered_bytes += len;
	if (sent_ns == UINT64_MAX) {
		verdict->fate = LINKEM_QUEUE_FULL;
		counters->queue_full++;
		counters->queue_full_bytes += len;
	} else if (in_blackout(dir, sent_ns)) {
		verdict->fate = LINKEM_BLACKOUT;
		counters->blackout++;
		counters->blackout_bytes += len;
	} else if (is_lost(dir)) {
		verdict->fate = LINKEM_LOST;
		counters->lost++;
		counters->lost_bytes += len;
	} else {
		deliver(dir, sent_ns, len, verdict);
	}
}
