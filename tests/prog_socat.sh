#!/bin/sh
# socat: a forking echo, exec of a program with the socket as its standard streams, half-close, and data before exit.
. "$top_srcdir/tests/proglib.sh"
prog_start socat ss
sample_file data 2000000

step "fork: an echo for eight clients at once"
start_b 7000 socat TCP-LISTEN:7000,fork,reuseaddr,backlog=32 EXEC:cat
wait_kcp 7000
for i in 1 2 3 4 5 6 7 8; do
	ask_a 7000 socat -t 30 - "TCP:$NETLAB_B4:7000" <"$NETLAB_TMP/data" >"$NETLAB_TMP/echo$i" &
	eval "client$i=$!"
done
for i in 1 2 3 4 5 6 7 8; do
	eval "wait \$client$i" || fail "client $i: $?"
	same "$NETLAB_TMP/data" "$NETLAB_TMP/echo$i"
done

step "half-close: the sum of all that was sent comes back"
start_b 7001 socat TCP6-LISTEN:7001,fork EXEC:sha256sum
wait_kcp 7001
ask_a 7001 socat -t 30 - "TCP6:[$NETLAB_B6]:7001" <"$NETLAB_TMP/data" >"$NETLAB_TMP/sum" || fail "client: $?"
[ "$(cut -d' ' -f1 "$NETLAB_TMP/sum")" = "$(sha256sum <"$NETLAB_TMP/data" | cut -d' ' -f1)" ] || fail "$(cat "$NETLAB_TMP/sum")"

step "nofork: the program inherits the socket by exec"
start_b 7002 socat TCP-LISTEN:7002 EXEC:'tr a-z A-Z',nofork
wait_kcp 7002
[ "$(echo hello | ask_a 7002 socat -t 30 - "TCP:$NETLAB_B4:7002")" = HELLO ] || fail "nofork"

step "a server that writes and exits at once"
start_b 7003 socat -u "FILE:$NETLAB_TMP/data" TCP-LISTEN:7003
wait_kcp 7003
ask_a 7003 socat -u "TCP:$NETLAB_B4:7003" - >"$NETLAB_TMP/got" || fail "client: $?"
same "$NETLAB_TMP/data" "$NETLAB_TMP/got"
exit 0
