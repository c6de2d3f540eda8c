#!/bin/sh
# The JDK: its HTTP server and client with many requests at once, and plain sockets closed under a blocked thread.
. "$top_srcdir/tests/proglib.sh"
prog_start java javac ss
javac -d "$NETLAB_TMP/classes" "$top_srcdir/tests/prog/HttpPair.java" || fail "javac: $?"
# A smaller machine starts faster.
run="java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xmx256m -cp $NETLAB_TMP/classes HttpPair"
step "IPv4 and IPv6"
start_b 8080,8081 $run server 8080 >"$NETLAB_TMP/server" 2>&1
wait_kcp 8080
wait_kcp 8081
ask_a 8080,8081 $run client 8080 "$NETLAB_B4" "$NETLAB_B6" || fail "client: $?; server: $(tail -n 5 "$NETLAB_TMP/server")"
wait "$started" || fail "server: $? $(tail -n 5 "$NETLAB_TMP/server")"
grep . "$NETLAB_TMP/server" && fail "the server complains"
exit 0
