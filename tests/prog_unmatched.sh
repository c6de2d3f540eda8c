#!/bin/sh
# A program that meets no matching rule makes the same system calls as without the shim, has no thread and says nothing.
. "$top_srcdir/tests/netlab.sh"
[ -z "$SANITIZED" ] || skip "programs run without the sanitizer's runtime"
need strace python3
shim=${SHIM:-$top_builddir/.libs/libkcpshim.so}
[ -e "$shim" ] || fail "$shim is not built"
strace -o "$NETLAB_TMP/probe" true 2>/dev/null || skip "strace may not trace here"

# The names of the calls between the two marks; the environment is in $@.
trace() {
	trace_name=$1
	shift
	env -u KCPSHIM_RULES -u KCPSHIM_PORTS XDG_CONFIG_HOME="$NETLAB_TMP" "$@" \
		strace -f -o "$NETLAB_TMP/$trace_name.raw" ${preload:+-E "$preload"} \
		python3 "$top_srcdir/tests/unmatched.py" 8080 >"$NETLAB_TMP/$trace_name.out" 2>"$NETLAB_TMP/$trace_name.err" ||
		fail "$trace_name: $(cat "$NETLAB_TMP/$trace_name.err")"
	sed 's/^[0-9]* *//; s/(.*//' "$NETLAB_TMP/$trace_name.raw" |
		awk '/^getpgid/ { n++; next } n == 1 && !/^(mmap|munmap|brk|madvise|mremap)$/' >"$NETLAB_TMP/$trace_name"
}

preload=
trace kernel
[ "$(wc -l <"$NETLAB_TMP/kernel")" -gt 100 ] || fail "the trace is empty"
preload=LD_PRELOAD=$shim
trace norules
# Rules that never match: the shim may ask a socket what it is when it is about to listen or connect, no more.
printf 'kcp any *:9\nkcp connect 192.0.2.1:8080\nkcp any *:8080 program=other\n' >"$NETLAB_TMP/rules"
trace other KCPSHIM_RULES="$NETLAB_TMP/rules"

diff "$NETLAB_TMP/kernel" "$NETLAB_TMP/norules" >"$NETLAB_TMP/diff" ||
	fail "no rules: other system calls than without the shim: $(head -n 20 "$NETLAB_TMP/diff")"
diff "$NETLAB_TMP/kernel" "$NETLAB_TMP/other" | grep '^[<>]' >"$NETLAB_TMP/diff"
grep -vE '^> (getsockopt|getsockname)$' "$NETLAB_TMP/diff" && fail "no match: other system calls than without the shim"
more=$(wc -l <"$NETLAB_TMP/diff")
[ "$more" -le $((4 * (2 + 6))) ] || fail "no match: $more more system calls in 2 listen() and 6 connect()"

for name in norules other; do
	diff "$NETLAB_TMP/kernel.out" "$NETLAB_TMP/$name.out" || fail "$name: other threads, descriptors or output"
	[ ! -s "$NETLAB_TMP/$name.err" ] || fail "$name: messages: $(cat "$NETLAB_TMP/$name.err")"
done
echo "$(wc -l <"$NETLAB_TMP/kernel") system calls without rules, as without the shim; $more more with rules for others"
exit 0
