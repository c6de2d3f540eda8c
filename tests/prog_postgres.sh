#!/bin/sh
# PostgreSQL and psql: queries, bulk copies both ways, several backends, LISTEN/NOTIFY, cancel, a fast shutdown.
. "$top_srcdir/tests/proglib.sh"
for dir in /usr/lib/postgresql/*/bin; do [ ! -d "$dir" ] || PATH=$dir:$PATH; done
prog_start initdb postgres psql ss setpriv
id -u postgres >/dev/null 2>&1 || skip "there is no user postgres to run the server as"
data=$NETLAB_TMP/pg
mkdir "$data"
chown postgres "$data"
as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups"
$as_postgres env LC_ALL=C initdb -D "$data" -A trust -N >"$NETLAB_TMP/initdb.log" 2>&1 || fail "$(tail -n 5 "$NETLAB_TMP/initdb.log")"
echo "host all all $NETLAB_A4/24 trust" >>"$data/pg_hba.conf"
start_b 5432 $as_postgres postgres -D "$data" -h "$NETLAB_B4" -k '' -c fsync=off >"$NETLAB_TMP/pg.log" 2>&1
server=$started
wait_kcp 5432
sql() { ask_a 5432 psql -h "$NETLAB_B4" -U postgres -d postgres -v ON_ERROR_STOP=1 -qtA "$@"; }
answers() { sql -c 'select 1'; }
wait_until 20 answers || fail "no answer: $(tail -n 5 "$NETLAB_TMP/pg.log")"

step "where the server sees the client"
[ "$(sql -c "select inet_client_addr() = '$NETLAB_A4' and inet_server_port() = 5432")" = t ] || fail "addresses"

step "100,000 rows in and out by COPY"
awk 'BEGIN { for (i = 1; i <= 100000; i++) printf "%d\trow number %d of many\n", i, i * 7 }' >"$NETLAB_TMP/rows"
sql -c 'create table t (n int primary key, s text)' || fail "create"
sql -c 'copy t from stdin' <"$NETLAB_TMP/rows" || fail "copy in"
sql -c 'copy (select * from t order by n) to stdout' >"$NETLAB_TMP/out" || fail "copy out"
same "$NETLAB_TMP/rows" "$NETLAB_TMP/out"

step "twelve sessions at once"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	sql -c "select sum(n) from t, generate_series(1, 3)" >"$NETLAB_TMP/sum$i" &
	eval "client$i=$!"
done
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	eval "wait \$client$i" || fail "session $i: $?"
	[ "$(cat "$NETLAB_TMP/sum$i")" = 15000150000 ] || fail "session $i: $(cat "$NETLAB_TMP/sum$i")"
done

step "cancel of a running query, on a connection of its own"
start_a 5432 psql -h "$NETLAB_B4" -U postgres -d postgres -c 'select pg_sleep(60)' >/dev/null 2>"$NETLAB_TMP/cancel"
sleeps() { [ "$(sql -c "select count(*) from pg_stat_activity where query like '%pg_sleep%' and state = 'active' and pid <> pg_backend_pid()")" = 1 ]; }
wait_until 10 sleeps || fail "the query does not run"
kill -INT "$started"
wait "$started"
grep -q 'canceling statement' "$NETLAB_TMP/cancel" || fail "not cancelled: $(cat "$NETLAB_TMP/cancel")"

if command -v pgbench >/dev/null; then
	step "pgbench"
	ask_a 5432 pgbench -h "$NETLAB_B4" -U postgres -i -q postgres >/dev/null 2>&1 || fail "pgbench -i"
	ask_a 5432 pgbench -h "$NETLAB_B4" -U postgres -c 8 -t 20 postgres >"$NETLAB_TMP/bench" 2>&1 || fail "$(tail -n 5 "$NETLAB_TMP/bench")"
	grep -q 'processed: 160/160' "$NETLAB_TMP/bench" || fail "$(cat "$NETLAB_TMP/bench")"
fi

step "a fast shutdown"
kill -INT "$server"
wait "$server" || fail "the server ended with status $?"
exit 0
