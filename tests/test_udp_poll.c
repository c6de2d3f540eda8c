#include <check.h>

#include "checkmain.h"
#include "../src/engine/udp_poll.h"

static const struct {
	uint64_t srtt;
	uint32_t datagrams, wakes;
	uint64_t elapsed;
	bool polled;
	uint32_t interval;
	const char *why;
} cases[] = {
	{ 40000, 66, 66, 8000, false, 2500, "100 Mbit/s: a datagram each 120 us" },
	{ 16000, 66, 66, 8000, false, 1000, "a part of the round trip" },
	{ 80000, 8, 8, 16000, false, UDP_POLL_MAX_US, "a datagram each 2 ms: two in a pause" },
	{ 80000, 8, 8, 40000, false, 0, "one in a pause is too few to begin" },
	{ 80000, 8, 8, 40000, true, UDP_POLL_MAX_US, "and enough to go on" },
	{ 80000, 8, 8, 160000, true, 0, "one in four pauses is not" },
	{ 40000, 1, 1, 20000, false, 0, "requests one by one" },
	{ 0, 66, 66, 8000, false, 0, "round trip unknown" },
	{ 200, 6000, 600, 8000, false, 0, "a local network: the pause would be shorter than a wake-up is worth" },
	{ 40000, 6000, 60, 8000, false, 0, "they come in bursts anyway" },
	{ 40000, 6000, 60, 8000, true, 2500, "they come in bursts because they are waited for" },
	{ 600000, 66, 66, 8000, false, UDP_POLL_MAX_US, "no more than that on a long path" },
};

START_TEST(interval)
{
	ck_assert_msg(udp_poll_interval(cases[_i].srtt, cases[_i].datagrams, cases[_i].wakes, cases[_i].elapsed, cases[_i].polled) == cases[_i].interval,
	    "%s", cases[_i].why);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("udp_poll");

	tcase_add_loop_test(t, interval, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	return check_main("udp_poll", t);
}
