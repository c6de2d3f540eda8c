#!/bin/sh
# A server's key file changes while it runs: the new key opens connections, the old one opens none, what was open goes on.
# SKIP and fail as in netlab; runs in a network namespace of its own.
command -v curl >/dev/null 2>&1 || { echo "SKIP: curl is not installed"; exit 77; }
fail() { echo "FAIL: $*" >&2; exit 1; }
case ${SANITIZED:-} in ?*) echo "SKIP: not for sanitized builds: programs would need the sanitizer's library"; exit 77 ;; esac
dir=$(mktemp -d) || exit 99
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
umask 077
for name in old new; do "$top_builddir/kcpctl" genkey >"$dir/$name" || fail "genkey"; done
cp "$dir/old" "$dir/keys"
echo hello >"$dir/index.html"
port=18443
get() { "$top_builddir/kcprun" -k "$dir/$1" -p $port timeout "$2" curl -sS "http://127.0.0.1:$port/index.html" 2>"$dir/err"; }

"$top_builddir/kcprun" -k "$dir/keys" -p $port python3 -m http.server -b 127.0.0.1 -d "$dir" $port >"$dir/log" 2>&1 &
server=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ "$(get old 20)" = hello ] && break
	[ "$i" = 20 ] && fail "the first key: $(cat "$dir/err" "$dir/log")"
	sleep 0.5
done

cp "$dir/new" "$dir/keys.tmp" && mv "$dir/keys.tmp" "$dir/keys"
# The file is looked at once a second, when a datagram comes; first flights are repeated until one is answered.
[ "$(get new 60)" = hello ] || fail "the new key opens nothing: $(cat "$dir/err" "$dir/log")"
[ -z "$(get old 3)" ] || fail "the old key still opens connections"

echo "one AAAA" >"$dir/keys"
sleep 1.2
[ "$(get new 60)" = hello ] || fail "a broken file took the working key away: $(cat "$dir/log")"
exit 0
