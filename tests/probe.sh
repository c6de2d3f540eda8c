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

# Instrumented libraries need their run-time library before all others.
: > "$dir/rules"
[ -z "${SANITIZED:-}" ] || exit 77
[ -f "$lib" ] || { echo "$lib is not built"; exit 1; }

sed -n 's/^\([^# ]\{1,\}\) .*/\1/p' "$exceptions" | sort > "$dir/expected"
bad=0
families=4 jobs=24
grep -q . /proc/net/if_inet6 2>/dev/null && families='4 6'
for family in $families; do
	env -u LD_PRELOAD "$probe" -j "$jobs" "$family" "$@" > "$dir/tcp.$family"
	LD_PRELOAD=$lib KCPSHIM_PORTS=1024-65535 KCPSHIM_RULES=$dir/rules "$probe" -j "$jobs" "$family" "$@" > "$dir/kcp.$family"
	[ "$(wc -l < "$dir/tcp.$family")" -gt 0 ] || { echo "no probe ran"; exit 1; }
	join -t: -v1 "$dir/tcp.$family" "$dir/kcp.$family" > "$dir/missing" || true
	[ -s "$dir/missing" ] && { echo "probes without a line:"; cat "$dir/missing"; bad=1; }
	# Names of the probes whose lines differ.
	diff "$dir/tcp.$family" "$dir/kcp.$family" | sed -n 's/^[<>] \([^:]*\):.*/\1/p' | sort -u > "$dir/differ"
	while read -r name; do
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
LD_PRELOAD=$lib KCPSHIM_RULES=$dir/auto "$probe" 4 "$@" > "$dir/auto.4"
diff "$dir/tcp.4" "$dir/auto.4" || { echo "rule auto without KCP differs"; bad=1; }
# An exception that is none any more can go.
if [ $# = 0 ]; then
	sort -u "$dir/all" > "$dir/all.sorted"
	comm -23 "$dir/expected" "$dir/all.sorted" > "$dir/stale"
	[ -s "$dir/stale" ] && { echo "listed as exceptions but equal:"; cat "$dir/stale"; }
fi
exit $bad
