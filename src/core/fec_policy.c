#include "fec_policy.h"

#define LOSS_LEAST (65536u / 200u)
#define GROUP_MAX 20u
#define GROUP_LEAST FEC_POLICY_OVERHEAD
#define SLACK_US 5000u
#define RESIDUE 10u             /* ten times less shall be left of the loss */

/* Probability that more than m of n are lost. */
static double
failure(unsigned n, unsigned m, double p)
{
	double term = 1, sum = 0;

	for (unsigned i = 0; i < n; i++)
		term *= 1 - p;
	for (unsigned lost = 0; lost <= m; lost++) {
		sum += term;
		term *= (double)(n - lost) / (double)(lost + 1) * p / (1 - p);
	}
	return sum < 1 ? 1 - sum : 0;
}

bool
fec_choose(const struct fec_path *path, unsigned *k, unsigned *m)
{
	double p = path->loss / 65536.0;
	uint64_t size;

	if (path->loss < LOSS_LEAST || path->loss >= 65536u / 2 || path->fills || path->gap == 0 || path->min_rtt == 0)
		return false;
	if (path->srtt > path->min_rtt + path->min_rtt / 2 + SLACK_US)
		return false;
	size = path->srtt / 2 / path->gap;
	if (size < GROUP_LEAST)
		return false;
	*k = size < GROUP_MAX ? (unsigned)size : GROUP_MAX;
	for (*m = 1; (*m + 1) * FEC_POLICY_OVERHEAD <= *k && failure(*k + *m, *m, p) * (*m + 1) / *k > p / RESIDUE; ++*m)
		;
	return true;
}
