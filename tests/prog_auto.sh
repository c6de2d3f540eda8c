#!/bin/sh
# auto: KCP with those who speak it, kernel TCP with those who do not, in both roles.
. "$top_srcdir/tests/proglib.sh"
prog_start python3 curl ss -- rate=200M queue=50ms delay=10ms
[ -z "$PROG_KERNEL" ] || skip "nothing of it is about kernel TCP alone"
sample_file data 2000000
kcpctl=$top_builddir/kcpctl
auto='auto any *:*'
peer="$top_srcdir/tests/autopeer.py"

auto_a() { in_a timeout "$PROG_SECONDS" env LD_PRELOAD="$SHIM" KCPSHIM_RULES_TEXT="$auto" "$@"; }
listens() { [ -n "$(in_b ss -Hln"$1" "sport = :$2")" ]; }
# carried NAMESPACE-COMMAND WORD: a connection of that kind is shown.
carried() { "$1" "$kcpctl" status | grep -q "$2"; }

step "a server that takes both"
ip netns exec "$netlab_b" env LD_PRELOAD="$SHIM" KCPSHIM_RULES_TEXT="$auto" \
	python3 -m http.server --directory "$NETLAB_TMP" --bind "$NETLAB_B4" 8000 >/dev/null 2>&1 &
wait_until 20 listens u 8000 && wait_until 20 listens t 8000 || fail "not on both: $(in_b ss -lntu)"
tcp_a curl -s "http://$NETLAB_B4:8000/data" -o "$NETLAB_TMP/got" || fail "over TCP: $?"
same "$NETLAB_TMP/data" "$NETLAB_TMP/got"
ask_a 8000 curl -s "http://$NETLAB_B4:8000/data" -o "$NETLAB_TMP/got2" || fail "over KCP: $?"
same "$NETLAB_TMP/data" "$NETLAB_TMP/got2"

step "a client that finds KCP takes it"
ip netns exec "$netlab_a" env LD_PRELOAD="$SHIM" KCPSHIM_RULES_TEXT="$auto" \
	python3 "$peer" hold "$NETLAB_B4" 8000 &
holder=$!
wait_until 20 carried in_a estab || fail "no connection: $(in_a "$kcpctl" status)"
carried in_a kernel-tcp && fail "kernel TCP although the server has KCP: $(in_a "$kcpctl" status)"
kill "$holder"

step "a server without the shim: blocking, non-blocking, half-close, reset, errors"
ip netns exec "$netlab_b" python3 "$peer" serve "$NETLAB_B4" 8100 &
wait_until 20 listens t 8100 || fail "no server"
auto_a python3 "$peer" client "$NETLAB_B4" 8100 || fail "client: $?"
ip netns exec "$netlab_b" python3 -m http.server --directory "$NETLAB_TMP" --bind "$NETLAB_B6" 8110 >/dev/null 2>&1 &
wait_until 20 listens t 8110 || fail "no server"
auto_a curl -gs "http://[$NETLAB_B6]:8110/data" -o "$NETLAB_TMP/got3" || fail "curl: $?"
same "$NETLAB_TMP/data" "$NETLAB_TMP/got3"

step "the same where UDP is swallowed"
ip netns exec "$netlab_b" python3 "$peer" swallow "$NETLAB_B4" 8100 &
wait_until 20 listens u 8100 || fail "no swallower"
auto_a python3 "$peer" client "$NETLAB_B4" 8100 || fail "client: $?"

step "nobody there"
auto_a python3 "$peer" refused "$NETLAB_B4" 8120 || fail "refused: $?"
exit 0
