#!/bin/sh
# The emulator on real namespaces: packets cross it whole over IPv4 and IPv6, GSO is cut before it,
# and delay, loss, duplicates, corruption, blackout and counters are what was asked for.
. "$top_srcdir/tests/netlab.sh"
need python3

probe="python3 $top_srcdir/tests/linkprobe.py"

# value NAME TEXT: the value of NAME= in the probe's line.
value() { printf '%s\n' "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"; }

# expect WHAT TEST...: fails with the last result when the test is false.
expect() {
	expect_what=$1
	shift
	test "$@" || fail "$expect_what: $result"
}

netlab_start delay=20ms
in_b $probe echo 5000 &
wait_until 5 in_b $probe probe 127.0.0.1 5000 1 || fail "the echo does not start"

for address in "$NETLAB_B4" "$NETLAB_B6"; do
	for mode in plain gso; do
		result=$(in_a $probe probe "$address" 5000 200 $mode)
		expect "$address $mode: all arrive" "$(value received "$result")" = 200
		expect "$address $mode: nothing damaged" "$(value corrupt "$result")" = 0
		expect "$address $mode: delayed" "$(value min_ms "$result")" -ge 40
		expect "$address $mode: cut to size" "$(value sizes "$result")" = 1200
	done
done

netlab_link delay=1ms ab.loss=50%
result=$(in_a $probe probe "$NETLAB_B4" 5000 1000)
expect "half is lost" "$(value received "$result")" -ge 400
expect "half is lost" "$(value received "$result")" -le 600

netlab_link ab.duplicate=100%
result=$(in_a $probe probe "$NETLAB_B4" 5000 100)
expect "doubled" "$(value duplicates "$result")" = 100

netlab_link ab.corrupt=100%
result=$(in_a $probe probe "$NETLAB_B4" 5000 100)
expect "the kernel drops what is damaged" "$(value received "$result")" = 0
netlab_link ab.corrupt=100% corrupt-hidden=on
result=$(in_a $probe probe "$NETLAB_B6" 5000 100)
expect "damage with a right checksum gets through" "$(value corrupt "$result")" = 100

netlab_link
kill -USR2 "$netlab_link_pid"
result=$(in_a $probe probe "$NETLAB_B4" 5000 10)
expect "blackout" "$(value received "$result")" = 0
kill -USR2 "$netlab_link_pid"
result=$(in_a $probe probe "$NETLAB_B4" 5000 10)
expect "light again" "$(value received "$result")" = 10
netlab_stats | grep -Eq '"blackout": 1[0-9],' || fail "blackout is not counted"
exit 0
