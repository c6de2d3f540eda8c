#!/bin/sh
# kcprun: what it refuses and with which status, and what the command finds in its environment.
set -u
kcprun=${top_builddir:-.}/kcprun
unset LD_PRELOAD XDG_CONFIG_HOME
for v in $(env | sed -n 's/^\(KCPSHIM_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
export HOME="$dir"
failed=0
# Some of the runs have a library in LD_PRELOAD before the instrumented program starts.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0"

fail() {
	echo "FAIL: $*"
	failed=1
}

# expect STATUS TEXT COMMAND...: exit status, and exactly one line of standard error that holds TEXT ("" = no line at all).
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

# show VARIABLE ARG...: the variable as the command sees it.
show() {
	v=$1
	shift
	# shellcheck disable=SC2016
	"$kcprun" "$@" -- sh -c 'eval "printf %s \"\$$1\""' sh "$v"
}

same() {
	[ "$2" = "$3" ] || fail "$1: \"$2\" is not \"$3\""
}

# A stand-in that does nothing: this test is about kcprun, not about the library.
echo 'int kcprun_stand_in;' > lib.c
${CC:-cc} -shared -fPIC -o libkcpshim.so lib.c || exit 99
export KCPSHIM_LIBRARY="$dir/libkcpshim.so"

echo "--- the command line"
expect 2 usage "$kcprun"
expect 2 usage "$kcprun" -p 80
"$kcprun" -Z true >out 2>err
same "unknown option" $? 2
expect 0 "" "$kcprun" true
expect 1 "" "$kcprun" false
expect 7 "" "$kcprun" sh -c 'exit 7'
expect 0 "" "$kcprun" -p 8080 -- true
expect 0 "" "$kcprun" -p 8080 -- sh -c '[ "$1" = -p ]' sh -p
expect 0 "" "$kcprun" -q -p 8080,9000-9100 -r 'kcp connect [2001:db8::]/32:6379' -o mode=fast -o rate=1M true

echo "--- wrong configurations: one line, status 2, nothing started"
bad='touch started'
expect 2 '-p: "9-8" is upside down' "$kcprun" -p 9-8 $bad
expect 2 '-p: "0" is not a port' "$kcprun" -p 0 $bad
expect 2 '-p: "http" is not a port' "$kcprun" -p http $bad
expect 2 '-r:1: "udp" is not an action' "$kcprun" -r 'udp any *:1' $bad
expect 2 '-r:1: unknown option "speed"' "$kcprun" -r 'kcp any *:1 speed=1' $bad
expect 2 '-r: there is no rule in "#"' "$kcprun" -r '#' $bad
expect 2 '-o: unknown option "speed"' "$kcprun" -o speed=1 $bad
expect 2 '-o: "mode" is not NAME=VALUE' "$kcprun" -o mode $bad
expect 2 '-o: mode=quick is not one of' "$kcprun" -o mode=quick $bad
expect 2 '-o: option "mode" is given twice' "$kcprun" -o mode=fast -o mode=fast $bad
expect 2 '-o: fec=10+3 is not one of off, auto, K:M' "$kcprun" -o fec=10+3 $bad
expect 2 'KCPSHIM_LOG: "loud"' "$kcprun" -o log=loud $bad
expect 2 'exclude each other' "$kcprun" -q -v $bad
expect 2 'exclude each other' "$kcprun" -q -o log=info $bad
expect 2 '-k: missing: No such file' "$kcprun" -k missing $bad
expect 2 '-f: missing: No such file' "$kcprun" -f missing $bad
expect 2 'crypto=aes-cbc needs wire=plain' "$kcprun" -p 1 -o crypto=aes-cbc $bad
expect 2 'KCPSHIM_RULES_TEXT:1: crypto=aead needs wire=session' "$kcprun" -r 'kcp any *:1 wire=plain crypto=aead' $bad
printf '# comment\nkcp any *:1\nkcp any *:9000-8000\n' > rules
expect 2 "$dir/rules:3: \"9000-8000\" is upside down" "$kcprun" -f rules $bad
mkdir -p .config/kcpshim
echo 'kcp any' > .config/kcpshim/rules
expect 2 "$dir/.config/kcpshim/rules:1: the address is missing" "$kcprun" $bad
rm -r .config
echo 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=' > key
chmod 644 key
expect 2 "$dir/key: permissions 0644 are too open" "$kcprun" -k key $bad
chmod 600 key
echo 'not a key' > nokey
chmod 600 nokey
expect 2 "$dir/nokey:1: " "$kcprun" -k nokey $bad
expect 2 'unknown environment variable KCPSHIM_MODEL' env KCPSHIM_MODEL=x "$kcprun" $bad
expect 2 'KCPSHIM_PORTS: "x" is not a port' env KCPSHIM_PORTS=x "$kcprun" $bad
expect 2 'KCPSHIM_LIBRARY: /missing.so: No such file' env KCPSHIM_LIBRARY=/missing.so "$kcprun" $bad
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$dir"
	expect 2 "$dir/key: Permission denied" setpriv --reuid 12345 --clear-groups "$kcprun" -k key $bad
fi
[ ! -e started ] || fail "a command was started in spite of an error"

echo "--- commands that cannot take the library"
expect 127 'no-such-command: No such file' "$kcprun" no-such-command
expect 127 './missing: No such file' "$kcprun" ./missing
expect 127 ': No such file' "$kcprun" ''
echo data > plainfile
expect 126 './plainfile: Permission denied' "$kcprun" ./plainfile
expect 126 'Is a directory' "$kcprun" /
echo 'int main(void) { return 0; }' > main.c
if ${CC:-cc} -static -o static main.c 2>/dev/null; then
	expect 126 './static: is statically linked' "$kcprun" ./static
	printf '#!%s/static\n' "$dir" > script
	chmod +x script
	expect 126 "script: its interpreter $dir/static: is statically linked" "$kcprun" ./script
	printf '#!/usr/bin/env static\n' > script
	expect 126 'script: its interpreter ' env PATH="$dir:$PATH" "$kcprun" ./script
	printf '#!%s/script\n' "$dir" > script2
	chmod +x script2
	expect 126 'is statically linked' env PATH="$dir:$PATH" "$kcprun" ./script2
fi
${CC:-cc} -o dynamic main.c
expect 0 "" "$kcprun" ./dynamic
cp dynamic suid && chmod 4755 suid
expect 126 './suid: is setuid' "$kcprun" ./suid
cp dynamic sgid && chmod 2755 sgid
expect 126 './sgid: is setgid' "$kcprun" ./sgid
chmod 2745 sgid
expect 0 "" "$kcprun" ./sgid
cp dynamic capable
if command -v setcap >/dev/null && setcap cap_net_bind_service+ep capable 2>/dev/null; then
	expect 126 './capable: has file capabilities' "$kcprun" ./capable
fi
# byte 18 is e_machine: 0xf3 is RISC-V
cp dynamic foreign
printf '\363\000' | dd of=foreign bs=1 seek=18 conv=notrunc 2>/dev/null
[ "$(uname -m)" = riscv64 ] || expect 126 './foreign: is for another architecture' "$kcprun" ./foreign
printf '#!/bin/sh\nexit 3\n' > script
chmod +x script
expect 3 "" "$kcprun" ./script
printf '#!/no/such/interpreter\n' > script
expect 127 './script: its interpreter /no/such/interpreter: No such file' "$kcprun" ./script
printf '#!%s/loop\n' "$dir" > loop
chmod +x loop
"$kcprun" ./loop 2>err
same "a script that is its own interpreter" $? 126
printf 'exit 5\n' > noshebang
chmod +x noshebang
expect 5 "" "$kcprun" ./noshebang

echo "--- the environment of the command"
same preload "$(show LD_PRELOAD)" "$dir/libkcpshim.so"
cp libkcpshim.so other.so
same prepended "$(LD_PRELOAD=$dir/other.so show LD_PRELOAD)" "$dir/libkcpshim.so:$dir/other.so"
same once "$(LD_PRELOAD="$dir/other.so $dir/libkcpshim.so" show LD_PRELOAD)" "$dir/other.so $dir/libkcpshim.so"
same ports "$(show KCPSHIM_PORTS -p 80 -p 90-99)" "80,90-99"
same "ports before the environment's" "$(KCPSHIM_PORTS=7 show KCPSHIM_PORTS -p 80)" "80,7"
same "ports from outside" "$(KCPSHIM_PORTS=7 show KCPSHIM_PORTS)" 7
same rules "$(show KCPSHIM_RULES_TEXT -r 'tcp any *:1' -r 'kcp any *:*')" "tcp any *:1
kcp any *:*"
same "rules before the environment's" "$(KCPSHIM_RULES_TEXT='tcp any *:2' show KCPSHIM_RULES_TEXT -r 'kcp any *:1')" \
	"kcp any *:1
tcp any *:2"
echo 'kcp any *:1' > rules
same "rules file" "$(show KCPSHIM_RULES -f rules)" "$dir/rules"
# A rule that leaves the key aside, so that this holds for versions without ciphers too.
aside='kcp any *:1 crypto=none'
same "key file" "$(show KCPSHIM_KEY_FILE -r "$aside" -k key)" "$dir/key"
same "key file replaces a key" "$(KCPSHIM_KEY=x show KCPSHIM_KEY -r "$aside" -k key)" ""
same "key replaces a key file" "$(KCPSHIM_KEY_FILE=/missing show KCPSHIM_KEY -r "$aside" -o key=secret)" "secret"
same option "$(show KCPSHIM_SEND_WINDOW_SIZE -o send_window_size=77)" 77
same "option replaces" "$(KCPSHIM_MODE=fast show KCPSHIM_MODE -o mode=fast3)" fast3
same quiet "$(show KCPSHIM_LOG -q)" none
same verbose "$(show KCPSHIM_LOG -v)" info
same "very verbose" "$(show KCPSHIM_LOG -vv)" debug
same "log file kept" "$(KCPSHIM_LOG=error:/tmp/x show KCPSHIM_LOG -v)" info:/tmp/x
same "log option" "$(show KCPSHIM_LOG -o log=warn)" warn

mkdir 'a b'
cp libkcpshim.so 'a b'
expect 2 'LD_PRELOAD cannot hold a path' env KCPSHIM_LIBRARY="$dir/a b/libkcpshim.so" "$kcprun" true

[ $failed = 0 ] && echo "all passed"
exit $failed
