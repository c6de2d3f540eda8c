#!/bin/sh
# kcpctl: each subcommand, against engines that answer well, wrongly or not at all.
set -u
build=${top_builddir:-.}
kcpctl=$build/kcpctl
unset XDG_CONFIG_HOME
for v in $(env | sed -n 's/^\(KCPSHIM_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
dir=$(mktemp -d)
engines=
cleanup() {
	exec 9>&-
	for pid in $engines; do wait "$pid"; done
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 99
export HOME="$dir"
mkfifo alive
failed=0

fail() {
	echo "FAIL: $*"
	failed=1
}

# expect STATUS TEXT COMMAND...: exit status, and one line of standard error that holds TEXT ("" = none).
expect() {
	want=$1 text=$2
	shift 2
	"$@" >out 2>err
	got=$?
	[ "$got" = "$want" ] || fail "$*: status $got, not $want: $(cat err)"
	if [ -z "$text" ]; then
		[ ! -s err ] || fail "$*: said $(cat err)"
		return
	fi
	[ "$(wc -l <err)" = 1 ] || fail "$*: not one line: $(cat err)"
	grep -Fq -- "$text" err || fail "$*: \"$(cat err)\" lacks \"$text\""
}

echo "--- check"
cat > rules <<'END'
# web
kcp  any   *:9,8080-8090,8085 \
     mode=fast   program=nginx*
tcp any 127.1.2.3/8:*   # local
kcp connect [2001:DB8::]/32:6379 rate=5k
END
expect 0 "" "$kcpctl" check rules
cat > want <<'END'
kcp any *:9,8080-8090 program=nginx* mode=fast
tcp any 127.0.0.0/8:*
kcp connect [2001:db8::]/32:6379 rate=5000
END
cmp out want || fail "check: $(cat out)"
expect 2 'bad:2: "x" is not a port' sh -c 'printf "\nkcp any *:x\n" > bad; exec "$0" check bad' "$kcpctl"
[ ! -s out ] || fail "check printed a bad file"
expect 2 'bad:1: crypto=aes-cbc needs wire=plain' sh -c 'echo "kcp any *:1 crypto=aes-cbc" > bad; exec "$0" check bad' "$kcpctl"
expect 2 'missing: No such file' "$kcpctl" check missing
expect 0 "" "$kcpctl" check /proc/self/fd/3 3<rules
"$kcpctl" check >/dev/null 2>&1
[ $? = 2 ] || fail "check without a file"
: > empty
expect 0 "" "$kcpctl" check empty
[ ! -s out ] || fail "an empty table prints something"
if [ -w /dev/full ]; then
	"$kcpctl" check rules >/dev/full 2>err
	[ $? = 1 ] || fail "a full disk goes unnoticed"
fi

echo "--- genkey and version"
expect 0 "" "$kcpctl" genkey
grep -Eq '^default [A-Za-z0-9+/]{43}=$' out || fail "genkey: $(cat out)"
mv out one
expect 0 "" "$kcpctl" genkey alice@example.org
grep -Eq '^alice@example.org [A-Za-z0-9+/]{43}=$' out || fail "genkey NAME: $(cat out)"
[ "$(cut -d' ' -f2 one)" != "$(cut -d' ' -f2 out)" ] || fail "the same key twice"
expect 2 'is not a key name' "$kcpctl" genkey 'a b'
( umask 077; "$kcpctl" genkey > keyfile )
echo "kcp any *:1 key_file=$dir/keyfile" > rules2
"$kcpctl" check rules2 >out 2>err || grep -q 'rules2:1: keys and ciphers are not supported in this version' err ||
	fail "a fresh key file: $(cat err)"
expect 0 "" "$kcpctl" version
grep -Eq '^kcpshim [0-9]' out || fail "version: $(cat out)"
for args in "" nonsense "status -x" "status -j -j" "set 1.2" "set x rate=1" "set 1.2x rate=1" "set 1.2 rate" "genkey a b" \
    "version 2"; do
	# shellcheck disable=SC2086
	"$kcpctl" $args >out 2>err
	[ $? = 2 ] && grep -q '^usage: kcpctl' err || fail "no usage for: $args"
done

echo "--- status without engines"
expect 0 "" "$kcpctl" status -j
# Outside a network namespace of its own the test may meet engines of the user's.
alone=$([ "$(tr -d ' \n' <out)" = '[]' ] && echo yes)
if [ "$alone" = yes ]; then
	expect 0 "" "$kcpctl" status
	[ "$(wc -l <out)" = 1 ] || fail "status without engines: $(cat out)"
fi

# start KIND ENGINE: the pipe on descriptor 9 keeps it alive.
start() {
	"$build/tests/ctlengine" "$1" "$2" <alive >ready 9>&- &
	engines="$engines $!"
	[ -e /proc/self/fd/9 ] || exec 9>alive
	while ! grep -q ready ready 2>/dev/null; do
		kill -0 $! 2>/dev/null || { fail "ctlengine $1 did not start"; return; }
		sleep 0.05
	done
	rm ready
}

echo "--- status of an engine"
start ok abcdef012345
expect 0 "" "$kcpctl" status
awk '$1 == "4000000.7" { found = $2 == "server" && $3 == 4000000 && $4 == "accept" && $5 == "estab" &&
	$6 == "192.0.2.1:80" && $7 == "192.0.2.2:40000" && $8 == "12.345ms" && $9 == 1400 && $10 == 11 && $11 == 22 && $12 == 33 &&
	$13 == "18446744073709551615" && $14 == 55 && $15 == "aes-256-gcm" && $16 == 3 } END { exit !found }' out || fail "session line: $(cat out)"
awk '$1 == "4000000.1" { found = $4 == "listen" && $5 == "listen" && $6 == "[2001:db8::1]:8080" && $7 == "*" }
	END { exit !found }' out || fail "listener line: $(cat out)"
grep -q "$(printf '\033')" out && fail "a control character came through"
awk 'NF != 16 { exit 1 }' out || fail "a column is split: $(cat out)"
expect 0 "" "$kcpctl" status -j
python3 - <<'END' || fail "JSON"
import json
rows = {r["session"]: r for r in json.load(open("out", encoding="utf-8"))}
s, l, o = rows["4000000.7"], rows["4000000.1"], rows["4000001.9"]
assert s["program"] == "server" and s["pid"] == 4000000 and s["kind"] == "session" and s["role"] == "accept"
assert s["local"] == "192.0.2.1:80" and s["peer"] == "192.0.2.2:40000" and s["current_peer"] == "192.0.2.3:40001"
assert s["state"] == "estab" and s["rtt_us"] == 12345 and s["send_queue"] == 11 and s["recv_queue"] == 22
assert s["retransmits"] == 33 and s["bytes_sent"] == 2**64 - 1 and s["bytes_received"] == 55
assert s["crypto"] == "aes-256-gcm" and s["authenticated"] is True and s["pacing_rate"] == 125000
assert l["kind"] == "listener" and l["peer"] is None and l["role"] == "listen" and "rtt_us" not in l
assert o["program"].startswith('\x1b[2J\n "\\\ufffd\u00e9x') and len(o["program"]) == 31, repr(o["program"])
END

echo "--- set"
expect 0 "" "$kcpctl" set 4000000.7 rate=777
"$kcpctl" status -j | tr ',' '\n' | grep -q '"pacing_rate":777$' || fail "set did not arrive"
expect 1 '4000000.7: wire cannot be changed' "$kcpctl" set 4000000.7 wire=plain
expect 1 '4000000.8: no such session' "$kcpctl" set 4000000.8 rate=1
expect 1 '4000000.1: no such session' "$kcpctl" set 4000000.1 rate=1
expect 2 'unknown option "speed"' "$kcpctl" set 4000000.7 speed=1
expect 2 'rate=fast is not a number' "$kcpctl" set 4000000.7 rate=fast

echo "--- engines that do not answer well"
start newer 000000000001
expect 1 'engine kcpse000000000001 speaks version' "$kcpctl" status
grep -q 4000000.7 out || fail "one strange engine hides the others"
start garbage 000000000002
start refuse 000000000003
start short 000000000004
"$kcpctl" status >out 2>err
[ $? = 1 ] || fail "status among strange engines"
grep -q 'kcpse000000000002 is not one of this version' err || fail "garbage not reported: $(cat err)"
[ "$(wc -l <err)" = 2 ] || fail "not two lines: $(cat err)"
start silent 000000000005
"$kcpctl" status >out 2>err
grep -q 'kcpse000000000005 does not answer' err || fail "a silent engine: $(cat err)"
grep -q 4000000.1 out || fail "a silent engine hides the others"

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	echo "--- another user's engines"
	chmod 755 "$dir"
	(cd / && exec setpriv --reuid 12345 --clear-groups "$kcpctl" status -j) >out 2>err
	[ $? = 0 ] || fail "status as another user: $(cat err)"
	[ "$(tr -d ' \n' <out)" = '[]' ] || fail "another user sees: $(cat out)"
fi

[ $failed = 0 ] && echo "all passed"
exit $failed
