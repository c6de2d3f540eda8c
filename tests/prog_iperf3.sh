#!/bin/sh
# iperf3: one stream each way, four at once, and both directions at once.
. "$top_srcdir/tests/proglib.sh"
prog_start iperf3 ss
start_b 5201 iperf3 -s >"$NETLAB_TMP/server.log" 2>&1
wait_kcp 5201
for options in '' '-R' '-P 4' '--bidir'; do
	step "iperf3 $options"
	# shellcheck disable=SC2086
	ask_a 5201 iperf3 -c "$NETLAB_B4" -t 2 $options >"$NETLAB_TMP/client.log" 2>&1 ||
		fail "iperf3 $options: $(tail -n 5 "$NETLAB_TMP/client.log")"
	grep receiver "$NETLAB_TMP/client.log" || fail "no result: $(cat "$NETLAB_TMP/client.log")"
	grep receiver "$NETLAB_TMP/client.log" | grep -v '[KM]Bytes' && fail "a stream moved next to nothing"
done
exit 0
