#!/bin/sh
# Real KCP peers and programs under the shim: the short cases of scripts/interop.
[ -z "$SANITIZED" ] || { echo "SKIP: programs run without the sanitizer's runtime"; exit 77; }
exec "$top_srcdir/scripts/interop" --quick
