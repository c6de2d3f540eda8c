#!/bin/sh
# redis-server: commands, large values, pipelining, many clients, publish/subscribe, replication.
. "$top_srcdir/tests/proglib.sh"
prog_start redis-server redis-cli redis-benchmark ss
mkdir "$NETLAB_TMP/r1" "$NETLAB_TMP/r2"
serve() {
	redis_port=$1 redis_dir=$2
	shift 2
	start_b 6379,6380 redis-server --port "$redis_port" --dir "$NETLAB_TMP/$redis_dir" --save '' --protected-mode no \
		--bind "$NETLAB_B4" "$@" >"$NETLAB_TMP/$redis_dir.log" 2>&1
	wait_kcp "$redis_port"
}
cli() { ask_a 6379,6380 redis-cli -h "$NETLAB_B4" "$@"; }

serve 6379 r1 --repl-diskless-sync-delay 0
step "commands"
[ "$(cli ping)" = PONG ] || fail "ping"
[ "$(cli set key value)" = OK ] || fail "set"
[ "$(cli get key)" = value ] || fail "get"

step "a value of 6 MiB there and back"
head -c 3145728 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$NETLAB_TMP/value"
cli -x set large <"$NETLAB_TMP/value" >/dev/null || fail "set"
cli --raw get large | head -c -1 >"$NETLAB_TMP/got"
same "$NETLAB_TMP/value" "$NETLAB_TMP/got"

step "20,000 commands piped in"
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "SET k%d %d\r\n", i, i * i }' | cli --pipe >"$NETLAB_TMP/pipe" || fail "pipe: $?"
grep -q 'errors: 0, replies: 20000' "$NETLAB_TMP/pipe" || fail "$(cat "$NETLAB_TMP/pipe")"
[ "$(cli get k12345)" = 152399025 ] || fail "a piped value is wrong"

step "redis-benchmark, 50 clients, pipelines of 16"
ask_a 6379 redis-benchmark -h "$NETLAB_B4" -n 20000 -c 50 -P 16 -t set,get,lpush -q >"$NETLAB_TMP/bench" 2>&1 ||
	fail "$(cat "$NETLAB_TMP/bench")"
[ "$(cli llen mylist)" = 20000 ] || fail "lpush was run $(cli llen mylist) times"

step "publish and subscribe"
start_a 6379 redis-cli -h "$NETLAB_B4" subscribe news >"$NETLAB_TMP/news"
subscriber=$started
has_subscriber() { [ "$(cli publish news hello)" = 1 ]; }
wait_until 10 has_subscriber || fail "nobody subscribed"
wait_until 10 grep -q hello "$NETLAB_TMP/news" || fail "the message did not arrive"
kill "$subscriber"

step "replication"
serve 6380 r2 --replicaof "$NETLAB_B4" 6379
is_copied() { [ "$(cli -p 6380 get k777)" = 603729 ] && cli -p 6380 info replication | grep -q 'master_link_status:up'; }
wait_until 30 is_copied || fail "the replica has no copy: $(tail -n 5 "$NETLAB_TMP/r2.log")"
cli -p 6380 --raw get large | head -c -1 >"$NETLAB_TMP/got"
same "$NETLAB_TMP/value" "$NETLAB_TMP/got"
cli set after replication >/dev/null
is_after() { [ "$(cli -p 6380 get after)" = replication ]; }
wait_until 10 is_after || fail "the replica does not follow"

step "shutdown"
cli -p 6380 shutdown nosave
cli shutdown nosave
gone() { ! on_kcp 6379 && ! on_kcp 6380; }
wait_until 15 gone || fail "a port is still bound"
exit 0
