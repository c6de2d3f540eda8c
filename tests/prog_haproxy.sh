#!/bin/sh
# haproxy between curl and two nginx servers, KCP in front of it and behind it.
. "$top_srcdir/tests/proglib.sh"
prog_start haproxy nginx curl ss
sample_file file 3000000
mkdir "$NETLAB_TMP/run"
for port in 8081 8082; do
	cat >"$NETLAB_TMP/$port.conf" <<END
pid $NETLAB_TMP/run/$port.pid; daemon off; error_log $NETLAB_TMP/run/$port.log; worker_processes 2; user root;
events { worker_connections 64; }
http { access_log off;
	client_body_temp_path $NETLAB_TMP/run/1; proxy_temp_path $NETLAB_TMP/run/2; fastcgi_temp_path $NETLAB_TMP/run/3;
	uwsgi_temp_path $NETLAB_TMP/run/4; scgi_temp_path $NETLAB_TMP/run/5;
	server { listen $NETLAB_A4:$port; root $NETLAB_TMP; location /who { return 200 $port; } } }
END
	# the servers stand in a, so that haproxy's connections cross the link as well
	start_a 8081,8082 nginx -e "$NETLAB_TMP/run/$port.log" -c "$NETLAB_TMP/$port.conf"
	on_kcp_a() { [ -n "$(in_a ss -Hlutn "sport = :$port")" ]; }
	wait_until 10 on_kcp_a || fail "nginx $port"
done
cat >"$NETLAB_TMP/haproxy.cfg" <<END
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
listen front
	bind $NETLAB_B4:8080
	balance roundrobin
	server one $NETLAB_A4:8081 check inter 500ms
	server two $NETLAB_A4:8082 check inter 500ms
END
start_b 8080-8082 haproxy -db -f "$NETLAB_TMP/haproxy.cfg" 2>"$NETLAB_TMP/haproxy.log"
wait_kcp 8080
get() { ask_a 8080 curl -sS --fail "$@"; }

step "both servers are asked"
for i in 1 2 3 4 5 6; do get "http://$NETLAB_B4:8080/who"; echo; done >"$NETLAB_TMP/who" || fail "curl: $?"
[ "$(sort "$NETLAB_TMP/who" | uniq -c | awk '{print $1, $2}' | xargs)" = "3 8081 3 8082" ] || fail "$(cat "$NETLAB_TMP/who")"

step "eight downloads at once"
for i in 1 2 3 4 5 6 7 8; do
	get -o "$NETLAB_TMP/got$i" "http://$NETLAB_B4:8080/file" &
	eval "client$i=$!"
done
for i in 1 2 3 4 5 6 7 8; do
	eval "wait \$client$i" || fail "client $i: $?"
	same "$NETLAB_TMP/file" "$NETLAB_TMP/got$i"
done
exit 0
