#!/bin/sh
# A prefork server is started and stopped many times under connecting clients. PREFORK_ROUNDS (30) says how many times.
: "${top_srcdir:=$(dirname "$0")/..}" "${top_builddir:=.}"
library=$top_builddir/.libs/libkcpshim.so
[ -z "$SANITIZED" ] || { echo "SKIP: programs run without the sanitizer's runtime"; exit 77; }
command -v python3 >/dev/null || { echo "SKIP: no python3"; exit 77; }
[ -e "$library" ] || { echo "$library is not built"; exit 1; }
[ -z "$PROG_KERNEL" ] || library=
exec python3 "$top_srcdir/tests/prefork.py" "${PREFORK_ROUNDS:-30}" \
	env LD_PRELOAD="$library" KCPSHIM_PORTS=7100 KCPSHIM_RULES=
