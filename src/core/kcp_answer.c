/* kcp_answer: where the program answers each message at once, the acknowledgement waits a moment and rides along with the answer. */
#include "kcp_internal.h"

#define ANSWER_US 1000u     /* less than any timer of a peer, and than what its redundancy waits for */
#define ANSWERS_SURE 3u     /* in a row, until the next one is waited for */
#define ANSWER_RTT_US 5000u /* on longer paths a datagram is cheap beside losing the answer and its acknowledgement at once */

uint64_t
kcp_answer_wait(const struct kcp *k)
{
	bool near = k->rtt.srtt != 0 && k->rtt.srtt < ANSWER_RTT_US, lone = k->owed == 1 && k->islands == 0 && !k->fin_seen;

	/* Only there the peer is told how long it waited. */
	return k->cfg.codec == WIRE_SESSION && near && lone && k->answers >= ANSWERS_SURE ? ANSWER_US : 0;
}

void
kcp_answer_asked(struct kcp *k)
{
	/* Several in a row without an answer are no requests. */
	if (k->asked)
		k->answers = 0;
	k->asked = true;
}

void
kcp_answer_sent(struct kcp *k, uint64_t now)
{
	if (!k->asked)
		return;
	k->asked = false;
	if (now - k->echo_at >= ANSWER_US)
		k->answers = 0;
	else if (k->answers < ANSWERS_SURE)
		k->answers++;
}
