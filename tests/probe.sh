#!/bin/sh
# Every probe prints the same over the shim as over kernel TCP, for IPv4 and IPv6, but for the listed exceptions.
# A client whose peer has no KCP (rule auto) sees no difference at all.
set -eu
: "${top_srcdir:=$(dirname "$0")/..}" "${top_builddir:=.}"
probe=$top_builddir/tests/probe/probe
lib=$top_builddir/.libs/libkcpshim.so
exceptions=$top_srcdir/tests/probe/exceptions
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

: > "$dir/rules"
[ -f "$lib" ] || { echo "$lib is not built"; exit 1; }
families=4 jobs=24
grep -q . /proc/net/if_inet6 2>/dev/null && families='4 6'
# An instrumented library needs its run-time library before all others.
case ${SANITIZED:-} in
'') ;;
*thread*)
	echo "SKIP: ThreadSanitizer takes descriptors of the engine's own table for the program's, and has no fork() of a threaded program"
	exit 77
	;;
*)
	lib="$("${CC:-gcc}" -print-file-name=libasan.so) $("${CC:-gcc}" -print-file-name=libubsan.so) $lib"
	export ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0:handle_segv=0:log_path=$dir/report"
	export UBSAN_OPTIONS="print_stacktrace=1:log_path=$dir/report"
	families=4
	# AddressSanitizer does not see that a cancelled thread's stack is unwound.
	blind='accept.cancelled cancel.accept4 cancel.between cancel.connect'
	;;
esac

# Threads of the engine do not wait for each other, as kcpshim(7) says.
[ "${KCPSHIM_THREADS:-1}" = 1 ] ||
	blind="${blind:-} accept.in_order connect.same_pair_of_addresses end.linger_zero_resets_at_once full.connect_refused"

sed -n 's/^\([^# ]\{1,\}\) .*/\1/p' "$exceptions" | sort > "$dir/expected"
bad=0
for family in $families; do
	env -u LD_PRELOAD "$probe" -j "$jobs" "$family" "$@" > "$dir/tcp.$family"
	LD_PRELOAD=$lib KCPSHIM_PORTS=1024-65535 KCPSHIM_RULES=$dir/rules "$probe" -j "$jobs" "$family" "$@" > "$dir/kcp.$family"
	[ "$(wc -l < "$dir/tcp.$family")" -gt 0 ] || { echo "no probe ran"; exit 1; }
	join -t: -v1 "$dir/tcp.$family" "$dir/kcp.$family" > "$dir/missing" || true
	[ -s "$dir/missing" ] && { echo "probes without a line:"; cat "$dir/missing"; bad=1; }
	# Names of the probes whose lines differ.
	diff "$dir/tcp.$family" "$dir/kcp.$family" | sed -n 's/^[<>] \([^:]*\):.*/\1/p' | sort -u > "$dir/differ"
	while read -r name; do
		case " ${blind:-} " in *" $name "*) continue ;; esac
		if grep -Fxq "$name" "$dir/expected"; then
			echo "IPv$family: $name differs, as listed"
			continue
		fi
		echo "IPv$family: $name differs:"
		for side in tcp kcp; do
			sed -n "s/^$name:/  $side:/p" "$dir/$side.$family"
		done
		bad=1
	done < "$dir/differ"
	echo "IPv$family: $(wc -l < "$dir/tcp.$family") probes, $(wc -l < "$dir/differ") differ"
	cat "$dir/differ" >> "$dir/all"
done
printf 'tcp listen *:*\nauto connect *:1024-65535\n' > "$dir/auto"
LD_PRELOAD=$lib KCPSHIM_RULES=$dir/auto "$probe" -j "$jobs" 4 "$@" > "$dir/auto.4"
for name in ${blind:-}; do sed -i "/^$name:/d" "$dir/tcp.4" "$dir/auto.4"; done
# Sockets that may become KCP are refused this whatever they become.
sed -i '/^option.zero_copy:/d' "$dir/tcp.4" "$dir/auto.4"
diff "$dir/tcp.4" "$dir/auto.4" || { echo "rule auto without KCP differs"; bad=1; }
# The same reports by whom a probe does not wait for, such as carriers.
for report in "$dir"/report.*; do
	[ -f "$report" ] || continue
	grep -q 'in __interceptor_sigaltstack' "$report" && continue
	cat "$report"
	bad=1
done
# An exception that is none any more can go.
if [ $# = 0 ]; then
	sort -u "$dir/all" > "$dir/all.sorted"
	comm -23 "$dir/expected" "$dir/all.sorted" > "$dir/stale"
	[ -s "$dir/stale" ] && { echo "listed as exceptions but equal:"; cat "$dir/stale"; }
fi
exit $bad
