#!/bin/sh
# nginx with TLS and HTTP/2: many streams in one connection, HTTP/1.1, TLS 1.2 and resumption, uploads through a proxy.
. "$top_srcdir/tests/proglib.sh"
prog_start nginx curl openssl ss
curl -V | grep -q HTTP2 || skip "curl is without HTTP/2"
mkdir "$NETLAB_TMP/www" "$NETLAB_TMP/run"
sample_file www/big 6000000
for i in 1 2 3 4 5 6 7 8; do sample_file "www/$i" $((i * 44444)); done
chmod -R a+rwX "$NETLAB_TMP/www" "$NETLAB_TMP/run"
run=$NETLAB_TMP/run
certificate "$NETLAB_TMP/key.pem" "$NETLAB_TMP/cert.pem"
cat >"$NETLAB_TMP/nginx.conf" <<END
pid $run/pid; daemon off; error_log $run/error.log; worker_processes 4;
events { worker_connections 128; }
http { access_log off; sendfile on; keepalive_timeout 30;
	client_body_temp_path $run/1; proxy_temp_path $run/2; fastcgi_temp_path $run/3;
	uwsgi_temp_path $run/4; scgi_temp_path $run/5;
	server { listen 8443 ssl http2; listen [::]:8443 ssl http2; root $NETLAB_TMP/www;
		ssl_certificate $NETLAB_TMP/cert.pem; ssl_certificate_key $NETLAB_TMP/key.pem;
		ssl_session_cache shared:s:1m; } }
END
start_b 8443 nginx -e "$run/error.log" -c "$NETLAB_TMP/nginx.conf"
wait_kcp 8443
url=https://$NETLAB_B4:8443
get() { ask_a 8443 curl -sS --fail --cacert "$NETLAB_TMP/cert.pem" "$@"; }

step "HTTP/2: one large file, IPv4 and IPv6"
[ "$(get --http2 -o "$NETLAB_TMP/got" -w '%{http_version}' "$url/big")" = 2 ] || fail "not HTTP/2"
same "$NETLAB_TMP/www/big" "$NETLAB_TMP/got"
get --http2 -g -o "$NETLAB_TMP/got" "https://[$NETLAB_B6]:8443/big" || fail "curl: $?"
same "$NETLAB_TMP/www/big" "$NETLAB_TMP/got"

step "HTTP/2: nine streams at once in one connection"
get --http2 --no-progress-meter -Z --parallel-max 9 -w '%{num_connects}\n' -o "$NETLAB_TMP/m9" "$url/big" -o "$NETLAB_TMP/m#1" "$url/[1-8]" >"$NETLAB_TMP/connects" || fail "curl: $?"
for i in 1 2 3 4 5 6 7 8; do same "$NETLAB_TMP/www/$i" "$NETLAB_TMP/m$i"; done
same "$NETLAB_TMP/www/big" "$NETLAB_TMP/m9"
[ "$(awk '{n += $1} END {print n}' "$NETLAB_TMP/connects")" = 1 ] || fail "not one connection: $(xargs <"$NETLAB_TMP/connects")"

step "HTTP/1.1 with TLS 1.2"
[ "$(get --http1.1 --tls-max 1.2 -o "$NETLAB_TMP/got" -w '%{http_version}' "$url/big")" = 1.1 ] || fail "not HTTP/1.1"
same "$NETLAB_TMP/www/big" "$NETLAB_TMP/got"

step "a resumed TLS session"
ask_a 8443 openssl s_client -connect "$NETLAB_B4:8443" -tls1_2 -CAfile "$NETLAB_TMP/cert.pem" -verify_return_error \
	-sess_out "$NETLAB_TMP/session" </dev/null >"$NETLAB_TMP/first" 2>&1 || fail "s_client: $(tail -n 3 "$NETLAB_TMP/first")"
printf 'GET /1 HTTP/1.0\r\n\r\n' | ask_a 8443 openssl s_client -connect "$NETLAB_B4:8443" -tls1_2 -CAfile "$NETLAB_TMP/cert.pem" \
	-sess_in "$NETLAB_TMP/session" -ign_eof >"$NETLAB_TMP/second" 2>&1 || fail "s_client: $(tail -n 3 "$NETLAB_TMP/second")"
grep -aq '^Reused, TLSv1.2' "$NETLAB_TMP/second" || fail "the session was not resumed"
grep -aq '^HTTP/1.1 200' "$NETLAB_TMP/second" || fail "no answer in the resumed session"

kill -QUIT "$(cat "$run/pid")"
wait "$started" || fail "nginx: $?"
grep -E '\[(alert|emerg|crit)\]' "$run/error.log" && fail "nginx complains"
exit 0
