#!/bin/sh
# nginx with four workers under wrk: every answer is right, and neither a reload nor a change of the binary loses a request.
. "$top_srcdir/tests/proglib.sh"
prog_start nginx wrk curl pgrep ss -- rate=200M queue=50ms delay=2ms
mkdir "$NETLAB_TMP/www" "$NETLAB_TMP/run"
run=$NETLAB_TMP/run
chmod a+rwX "$NETLAB_TMP/www" "$run"
head -c 3000 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$NETLAB_TMP/www/page"
cat >"$NETLAB_TMP/nginx.conf" <<END
pid $run/pid; error_log $run/error.log; worker_processes 4;
events { worker_connections 256; }
http { access_log off; sendfile on; keepalive_timeout 30;
	client_body_temp_path $run/1; proxy_temp_path $run/2; fastcgi_temp_path $run/3;
	uwsgi_temp_path $run/4; scgi_temp_path $run/5;
	server { listen 8080; root $NETLAB_TMP/www; location /version { return 200 one; } } }
END
# Counts the answers that are not the page; a thread's globals are its own, so done() adds them up.
cat >"$NETLAB_TMP/check.lua" <<END
local file = io.open("$NETLAB_TMP/www/page")
local page = file:read("*a")
local threads = {}
bad = 0
function setup(thread) table.insert(threads, thread) end
function response(status, headers, body) if status ~= 200 or body ~= page then bad = bad + 1 end end
function done(summary)
	local e, wrong = summary.errors, 0
	for _, thread in ipairs(threads) do wrong = wrong + thread:get("bad") end
	print(string.format("wrong=%d connect=%d read=%d write=%d timeout=%d", wrong, e.connect, e.read, e.write, e.timeout))
	print(string.format("requests=%d", summary.requests))
end
END
# As a daemon: in the foreground nginx takes its parent for an old binary and ignores USR2.
kcp_b 8080 "$(command -v nginx)" -e "$run/error.log" -c "$NETLAB_TMP/nginx.conf" || fail "nginx: $?"
wait_kcp 8080
wait_until 10 test -s "$run/pid" || fail "there is no master"
url=http://$NETLAB_B4:8080
complain() { grep -E '\[(alert|emerg|crit)\]' "$run/error.log"; }
# clean FILE LEAST: wrk's report shows no error and at least that many requests.
clean() {
	grep -q 'wrong=0 connect=0 read=0 write=0 timeout=0' "$1" || fail "requests failed: $(tail -n 3 "$1") $(complain)"
	[ "$(sed -n 's/^requests=//p' "$1")" -ge "$2" ] || fail "next to nothing was asked: $(cat "$1")"
}

step "64 connections that stay open"
ask_a 8080 wrk -t 2 -c 64 -d 2 --timeout 20 -s "$NETLAB_TMP/check.lua" "$url/page" >"$NETLAB_TMP/wrk" 2>&1 || fail "wrk: $(cat "$NETLAB_TMP/wrk")"
clean "$NETLAB_TMP/wrk" 200
tail -n 1 "$NETLAB_TMP/wrk"

step "a reload and a change of the binary while every request opens a connection"
start_a 8080 timeout 60 wrk -t 2 -c 16 -d 5 --timeout 20 -H 'Connection: close' -s "$NETLAB_TMP/check.lua" "$url/page" >"$NETLAB_TMP/wrk" 2>&1
traffic=$started
version() { ask_a 8080 curl -sS -m 10 "$url/version"; }
is_version() { [ "$(version)" = "$1" ]; }
old=$(cat "$run/pid")
sed -i 's/return 200 one/return 200 two/' "$NETLAB_TMP/nginx.conf"
kill -HUP "$old"
wait_until 20 is_version two || fail "the reload has no effect"
sed -i 's/return 200 two/return 200 three/' "$NETLAB_TMP/nginx.conf"
kill -USR2 "$old"
is_upgraded() { [ -s "$run/pid" ] && [ -s "$run/pid.oldbin" ] && [ "$(cat "$run/pid")" != "$old" ]; }
wait_until 20 is_upgraded || fail "no new master: $(cat "$run/error.log")"
new=$(cat "$run/pid")
workers() { [ "$(pgrep -c -P "$new")" = 4 ]; }
wait_until 20 workers || fail "the new master has no workers: $(cat "$run/error.log")"
kill -QUIT "$old"
is_gone() { ! kill -0 "$old" 2>/dev/null || grep -q '^State:.Z' "/proc/$old/status"; }
wait_until 30 is_gone || fail "the old master stays"
is_version three || fail "the new binary does not answer: $(version)"
kill -0 "$traffic" || fail "the traffic ended before the upgrade: $(cat "$NETLAB_TMP/wrk")"
wait "$traffic" || fail "wrk: $(cat "$NETLAB_TMP/wrk")"
clean "$NETLAB_TMP/wrk" 100
tail -n 1 "$NETLAB_TMP/wrk"
is_version three || fail "the new binary stopped answering"

step "the end of the new binary"
kill -QUIT "$new"
is_free() { ! on_kcp 8080; }
wait_until 20 is_free || fail "the port stays in use"
complain && fail "nginx complains"
exit 0
