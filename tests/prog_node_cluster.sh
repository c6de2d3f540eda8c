#!/bin/sh
# node: http, https and http2, kept and new connections; the primary of a cluster hands connections to two workers.
. "$top_srcdir/tests/proglib.sh"
prog_start node openssl ss
certificate "$NETLAB_TMP/key.pem" "$NETLAB_TMP/cert.pem"
step "IPv4 and IPv6"
start_b 8080,8443,8444 node "$top_srcdir/tests/prog/server.js" "$NETLAB_TMP/key.pem" "$NETLAB_TMP/cert.pem" >"$NETLAB_TMP/server" 2>&1
for port in 8080 8443 8444; do wait_kcp $port; done
[ "$(ask_a 8079,8080,8443,8444 node "$top_srcdir/tests/prog/client.js" "$NETLAB_TMP/cert.pem" "$NETLAB_B4" "$NETLAB_B6" 2>"$NETLAB_TMP/client")" = ok ] ||
	fail "client: $(cat "$NETLAB_TMP/client" "$NETLAB_TMP/server")"
kill "$started"
wait "$started" || fail "server: $? $(cat "$NETLAB_TMP/server")"
is_free() { ! on_kcp 8080 && ! on_kcp 8443 && ! on_kcp 8444; }
wait_until 20 is_free || fail "a port is still bound"
exit 0
