#!/bin/sh
# mosquitto: messages with QoS 0, 1 and 2, large and retained ones, and the will of a client that is killed.
. "$top_srcdir/tests/proglib.sh"
prog_start mosquitto mosquitto_pub mosquitto_sub ss
printf 'listener 1883 %s\nlistener 1884 %s\nallow_anonymous true\nuser root\nlog_type error\n' "$NETLAB_B4" "$NETLAB_B6" >"$NETLAB_TMP/conf"
start_b 1883,1884 mosquitto -c "$NETLAB_TMP/conf" >"$NETLAB_TMP/log" 2>&1
wait_kcp 1883
wait_kcp 1884
pub() { ask_a 1883 mosquitto_pub -h "$NETLAB_B4" "$@" || fail "mosquitto_pub: $?"; }
# subscribe FILE ARGUMENT...: returns when the subscription stands, which a retained message shows; its pid is $started.
pub -r -q 1 -t ready -m ready
subscribe() {
	out=$1
	shift
	ip netns exec "$netlab_a" env LD_PRELOAD="$SHIM" KCPSHIM_PORTS=1883 timeout "$PROG_SECONDS" \
		mosquitto_sub -h "$NETLAB_B4" "$@" -t ready -F '%t %p' >"$out" 2>&1 &
	started=$!
	wait_until 20 grep -q '^ready' "$out" || fail "no subscription: $(cat "$out" "$NETLAB_TMP/log")"
}

for qos in 0 1 2; do
	step "500 messages with QoS $qos"
	subscribe "$NETLAB_TMP/sub" -q "$qos" -C 501 -t 'numbers/#'
	awk -v q="$qos" 'BEGIN { for (i = 1; i <= 500; i++) print i, i * i, q }' >"$NETLAB_TMP/lines"
	pub -q "$qos" -t numbers/all -l <"$NETLAB_TMP/lines"
	wait "$started" || fail "mosquitto_sub: $?"
	sed -n 's/^numbers.all //p' "$NETLAB_TMP/sub" >"$NETLAB_TMP/got"
	same "$NETLAB_TMP/lines" "$NETLAB_TMP/got"
done

step "a retained message of 2 MB, by IPv4 and IPv6"
sample_file payload 2000000
pub -q 1 -r -t large -f "$NETLAB_TMP/payload"
ask_a 1883 mosquitto_sub -h "$NETLAB_B4" -q 1 -C 1 -N -t large >"$NETLAB_TMP/got" || fail "mosquitto_sub: $?"
same "$NETLAB_TMP/payload" "$NETLAB_TMP/got"
ask_a 1884 mosquitto_sub -h "$NETLAB_B6" -p 1884 -q 1 -C 1 -N -t large >"$NETLAB_TMP/got" || fail "mosquitto_sub: $?"
same "$NETLAB_TMP/payload" "$NETLAB_TMP/got"

step "the will of a client that is killed"
subscribe "$NETLAB_TMP/will" -q 1 -t testament
will=$started
ip netns exec "$netlab_a" env LD_PRELOAD="$SHIM" KCPSHIM_PORTS=1883 KCPSHIM_ENGINE=process mosquitto_sub -h "$NETLAB_B4" \
	-t ready --will-topic testament --will-payload gone --will-qos 1 >"$NETLAB_TMP/dying" &
dying=$!
wait_until 20 grep -q ready "$NETLAB_TMP/dying" || fail "no subscription"
kill -KILL "$dying"
wait_until 20 grep -q '^testament gone' "$NETLAB_TMP/will" || fail "there is no will"
kill "$will"
exit 0
