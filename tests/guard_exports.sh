#!/bin/sh
# Guard: the library exports exactly what its version map names, is bound at load time and uses no lazy TLS.
set -eu
: "${top_srcdir:=$(dirname "$0")/..}" "${top_builddir:=.}"
lib=$top_builddir/.libs/libkcpshim.so
map=$top_srcdir/preload/libkcpshim.map
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

[ -f "$lib" ] || { echo "$lib is not built"; exit 1; }
sed -n 's/^[[:space:]]*\([A-Za-z_][A-Za-z0-9_]*\);.*/\1/p' "$map" | sort > "$dir/map"
nm -D --defined-only "$lib" | awk '{ print $3 }' | sort > "$dir/lib"
[ "$(wc -l < "$dir/map")" -gt 30 ] || { echo "the map names too little"; exit 1; }

bad=0
if [ -n "${SANITIZED:-}" ]; then
	# Instrumentation adds names of its own.
	grep -v '^__\(asan\|tsan\|ubsan\|odr\)' "$dir/lib" > "$dir/lib2" || true
	mv "$dir/lib2" "$dir/lib"
fi
diff -u "$dir/map" "$dir/lib" || bad=1
readelf -dW "$lib" > "$dir/dynamic"
for flag in 'NOW' 'NODELETE'; do
	grep -Eq "FLAGS.*\b$flag\b" "$dir/dynamic" || { echo "$flag is not set"; bad=1; }
done
readelf -lW "$lib" | grep -q GNU_RELRO || { echo "no relro"; bad=1; }
if readelf -rW "$lib" | grep -Eq 'DTPMOD|DTPOFF|TLSDESC'; then
	echo "thread-local storage is not initial-exec"
	bad=1
fi
echo "$(wc -l < "$dir/map") names checked"
exit $bad
