#!/bin/sh
# nginx with four workers: many files at once, keep-alive, a reload under load, a graceful end.
. "$top_srcdir/tests/proglib.sh"
prog_start nginx curl ss
mkdir "$NETLAB_TMP/www" "$NETLAB_TMP/run"
sample_file www/big 8388608
for i in 1 2 3 4 5 6 7 8; do sample_file "www/$i" $((i * 77777)); done
chmod -R a+rwX "$NETLAB_TMP/www" "$NETLAB_TMP/run"
run=$NETLAB_TMP/run
cat >"$NETLAB_TMP/nginx.conf" <<END
pid $run/pid;
daemon off;
error_log $run/error.log;
worker_processes 4;
events { worker_connections 128; }
http {
	access_log off; sendfile on; tcp_nopush on; keepalive_timeout 30;
	client_max_body_size 64m;
	client_body_temp_path $run/1; proxy_temp_path $run/2; fastcgi_temp_path $run/3;
	uwsgi_temp_path $run/4; scgi_temp_path $run/5;
	server {
		listen 8080; listen [::]:8080; root $NETLAB_TMP/www;
		location /put/ { proxy_pass http://127.0.0.1:8081/; }
		location /version { return 200 one; }
	}
}
END
start_b 8080 nginx -e "$run/error.log" -c "$NETLAB_TMP/nginx.conf"
master=$started
wait_kcp 8080
url=http://$NETLAB_B4:8080

step "one large file, IPv4 and IPv6"
ask_a 8080 curl -sS -o "$NETLAB_TMP/got" "$url/big" || fail "curl: $?"
same "$NETLAB_TMP/www/big" "$NETLAB_TMP/got"
ask_a 8080 curl -sS -g -o "$NETLAB_TMP/got" "http://[$NETLAB_B6]:8080/big" || fail "curl: $?"
same "$NETLAB_TMP/www/big" "$NETLAB_TMP/got"

step "eight files over one kept-alive connection"
ask_a 8080 curl -sS --fail -o "$NETLAB_TMP/k#1" -w '%{num_connects}\n' "$url/[1-8]" >"$NETLAB_TMP/connects" || fail "curl: $?"
for i in 1 2 3 4 5 6 7 8; do same "$NETLAB_TMP/www/$i" "$NETLAB_TMP/k$i"; done
[ "$(awk '{n += $1} END {print n}' "$NETLAB_TMP/connects")" = 1 ] || fail "the connection was not kept"

step "24 clients at once, a reload in the middle"
for i in 1 2 3 4 5 6 7 8; do
	ask_a 8080 curl -sS --no-progress-meter --fail -Z --parallel-immediate -o "$NETLAB_TMP/p$i" "$url/$i" -o "$NETLAB_TMP/q$i" "$url/$i" \
		-o "$NETLAB_TMP/r$i" "$url/big" &
	eval "client$i=$!"
done
sleep 0.3
sed -i 's/return 200 one/return 200 two/' "$NETLAB_TMP/nginx.conf"
kill -HUP "$(cat "$run/pid")"
for i in 1 2 3 4 5 6 7 8; do
	eval "wait \$client$i" || fail "client $i: $?"
	same "$NETLAB_TMP/www/$i" "$NETLAB_TMP/p$i"
	same "$NETLAB_TMP/www/$i" "$NETLAB_TMP/q$i"
	same "$NETLAB_TMP/www/big" "$NETLAB_TMP/r$i"
done
is_two() { [ "$(ask_a 8080 curl -sS "$url/version")" = two ]; }
wait_until 10 is_two || fail "the new configuration is not served"

step "a graceful end"
kill -QUIT "$(cat "$run/pid")"
wait "$master" || fail "nginx: $?"
grep -E '\[(alert|emerg|crit)\]' "$run/error.log" && fail "nginx complains"
exit 0
