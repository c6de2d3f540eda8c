#!/bin/sh
# Two programs talk through a user's own cipher (examples/plugin_chacha.c); who lacks the key, or the cipher, is not heard.
command -v python3 >/dev/null || { echo "SKIP: python3 is not installed"; exit 77; }
[ -z "$SANITIZED" ] || { echo "SKIP: programs run without the sanitizer's runtime"; exit 77; }
fail() { echo "FAIL: $*" >&2; cat "$dir"/* >&2; exit 1; }
dir=$(mktemp -d) || exit 99
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
plugin=$top_builddir/examples/.libs/plugin_chacha.so
[ -e "$plugin" ] || fail "$plugin is not built"
port=18445
# with KEY CRYPTO COMMAND...
with() {
	key=$1 crypto=$2
	shift 2
	env LD_PRELOAD="$top_builddir/.libs/libkcpshim.so" KCPSHIM_PORTS=$port KCPSHIM_WIRE=plain KCPSHIM_KEY="$key" KCPSHIM_SALT=salt \
		KCPSHIM_CRYPTO="$crypto" "$@"
}
transfer() { with "$1" "$2" timeout "$3" python3 "$top_srcdir/tests/mtu_transfer.py" send 127.0.0.1 $port 2000000 >"$dir/size" 2>"$dir/client"; }

with key "plugin:$dir/none.so" true 2>"$dir/missing" && fail "started without its plugin"
grep -q "none.so" "$dir/missing" || fail "the missing plugin is not named"

with key "plugin:$plugin" python3 "$top_srcdir/tests/mtu_transfer.py" receive $port >"$dir/server" 2>&1 &
server=$!
for i in $(seq 200); do
	grep -qi ":$(printf %04x $port) " /proc/net/udp6 && break
	sleep 0.1
done
grep -qi ":$(printf %04x $port) " /proc/net/udp6 || fail "no server"
transfer other "plugin:$plugin" 2 && fail "another key opened a session"
transfer '' none 2 && fail "a session without the cipher"
transfer key "plugin:$plugin" 60 || fail "the transfer"
"$top_builddir/kcpctl" status -j >"$dir/status" || fail "kcpctl status"
grep -q '"crypto": *"plugin"' "$dir/status" || fail "the status does not name the cipher"
exit 0
