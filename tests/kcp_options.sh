#!/bin/sh
# setsockopt() at level SOL_KCP and kcpctl set, on connections of both wires.
[ -z "$SANITIZED" ] || { echo "SKIP: programs run without the sanitizer's runtime"; exit 77; }
command -v python3 >/dev/null || { echo "SKIP: python3 is not installed"; exit 77; }
for wire in session plain; do
	env LD_PRELOAD="$top_builddir/.libs/libkcpshim.so" KCPSHIM_PORTS=7801 KCPSHIM_WIRE=$wire KCPCTL="$top_builddir/kcpctl" \
		timeout -k 5 120 python3 "$top_srcdir/tests/sol_kcp.py" 7801 $wire || { echo "FAIL: wire=$wire"; exit 1; }
done
