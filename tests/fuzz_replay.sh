#!/bin/sh
# Every fuzz target runs through its corpus; scripts/fuzz looks for more.
set -eu
corpus=${top_srcdir:-.}/tests/fuzz/corpus
for target in "${top_builddir:-.}"/tests/fuzz/fuzz_*; do
	case ${target##*/} in
	*.*) continue ;;
	esac
	[ -x "$target" ] || continue
	name=${target##*/fuzz_}
	"$target" "$corpus/$name"
	ran=yes
done
[ "${ran:-no}" = yes ] || { echo "no fuzz target was built"; exit 1; }
