#!/bin/sh
# Unmodified programs over bad links: every byte arrives.
. "$top_srcdir/tests/proglib.sh"
PROG_SECONDS=120
bad='rate=100M queue=100ms delay=25ms loss=5%'
# shellcheck disable=SC2086
prog_start python3 curl ss -- $bad
mkdir "$NETLAB_TMP/www"
sample_file www/file 16777216
head -c 3000000 "$NETLAB_TMP/www/file" >"$NETLAB_TMP/www/part"

start_b 8080 python3 -m http.server -b :: -d "$NETLAB_TMP/www" 8080 >"$NETLAB_TMP/http.log" 2>&1
wait_kcp 8080

get() { ask_a 8080 curl -sS -g -o "$NETLAB_TMP/got" "http://$1:8080/$2" || fail "curl ended with status $?"; }

step "50 ms RTT, 5% loss: 16 MiB by HTTP"
get "$NETLAB_B4" file
same "$NETLAB_TMP/www/file" "$NETLAB_TMP/got"
get "[$NETLAB_B6]" part
same "$NETLAB_TMP/www/part" "$NETLAB_TMP/got"

step "the Python examples"
for name in asyncio_streams asyncio_protocol socketserver_lines socketserver_threads socket_calls; do
	start_b 8888 python3 "$top_srcdir/examples/python/$name.py" "$NETLAB_B4:8888" server >"$NETLAB_TMP/$name.log" 2>&1
	pid=$started
	wait_kcp 8888
	ask_a 8888 python3 "$top_srcdir/examples/python/$name.py" "$NETLAB_B4:8888" client ||
		{ cat "$NETLAB_TMP/$name.log"; fail "$name"; }
	kill "$pid"
	wait "$pid"
done

step "several threads connect at once, as the first thing that the program does"
example=$top_srcdir/examples/python/socketserver_threads.py
start_b 8889 python3 "$example" "$NETLAB_B4:8889" server >"$NETLAB_TMP/threads.log" 2>&1
wait_kcp 8889
for i in 1 2 3 4 5 6 7 8 9 10; do
	PROG_SECONDS=30 ask_a 8889 python3 "$example" "$NETLAB_B4:8889" client >"$NETLAB_TMP/threads.out" || fail "round $i: $?"
done

# Each with another kind of harm.
while read -r words; do
	step "$words"
	# shellcheck disable=SC2086
	netlab_link rate=100M queue=100ms $words
	get "$NETLAB_B4" part
	same "$NETLAB_TMP/www/part" "$NETLAB_TMP/got"
done <<'END'
delay=25ms loss=5% jitter=5ms jitter-tau=10ms
delay=25ms loss=5% jitter=5ms reorder=on
delay=25ms loss=2% duplicate=10% jitter=2ms reorder=on
delay=25ms loss=2% corrupt=5%
delay=25ms loss=2% corrupt=3% corrupt-hidden=on
delay=25ms loss=10% burst=4
delay=25ms blackout-at=200ms blackout=700ms blackout-period=2s
ab.delay=1ms ba.delay=49ms ab.loss=20%
END
exit 0
