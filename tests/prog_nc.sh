#!/bin/sh
# nc: listening and connecting, half-close, a listener that goes on, a scan, a refused port; files both ways.
. "$top_srcdir/tests/proglib.sh"
prog_start nc ss
nc -h 2>&1 | grep -q OpenBSD || skip "nc is not OpenBSD's"
sample_file up 1500000
sample_file down 1200000

for address in $NETLAB_B4 $NETLAB_B6; do
	step "$address: both sides send a file and half-close"
	# the shell gives a background program /dev/null, so that the file has to be opened inside
	start_b 7000 sh -c 'exec nc -N -l "$1" 7000 <"$2"' sh "$address" "$NETLAB_TMP/down" >"$NETLAB_TMP/up.got"
	wait_kcp 7000
	ask_a 7000 nc -N "$address" 7000 <"$NETLAB_TMP/up" >"$NETLAB_TMP/down.got" || fail "nc: $?"
	wait "$started" || fail "nc -l: $?"
	same "$NETLAB_TMP/up" "$NETLAB_TMP/up.got"
	same "$NETLAB_TMP/down" "$NETLAB_TMP/down.got"
done

step "a listener for one client after the other"
start_b 7001 nc -k -N -l "$NETLAB_B4" 7001 >"$NETLAB_TMP/lines"
listener=$started
wait_kcp 7001
for i in 1 2 3 4 5; do
	echo "line $i" | ask_a 7001 nc -N "$NETLAB_B4" 7001 >/dev/null || fail "client $i: $?"
done
has_lines() { [ "$(xargs <"$NETLAB_TMP/lines")" = "line 1 line 2 line 3 line 4 line 5" ]; }
wait_until 20 has_lines || fail "got: $(cat "$NETLAB_TMP/lines")"

step "a scan finds the open port alone"
ask_a 6999-7002 nc -z -v -w 5 "$NETLAB_B4" 6999-7002 >"$NETLAB_TMP/scan" 2>&1
grep -q ' 7001 port .* succeeded' "$NETLAB_TMP/scan" || fail "$(cat "$NETLAB_TMP/scan")"
[ "$(grep -c succeeded "$NETLAB_TMP/scan") $(grep -c 'refused' "$NETLAB_TMP/scan")" = "1 3" ] || fail "$(cat "$NETLAB_TMP/scan")"
kill "$listener"
exit 0
