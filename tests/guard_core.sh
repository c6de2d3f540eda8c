#!/bin/sh
# Guard: the core makes no system call but for memory, reads no clock, and allocates only through mem (rules excepted).
set -eu
cd "${top_builddir:-.}"

# Instrumented objects refer to their run-time library.
[ -z "${SANITIZED:-}" ] || exit 77

allowed='^(mem(chr|cmp|cpy|move|rchr|set|mem)|str(chr|cmp|cspn|len|lcpy|lcat|ncmp|nlen|pbrk|rchr|spn|str|casecmp|ncasecmp)|stpcpy|explicit_bzero|bcmp|__(mem|str|stp)[a-z]*_chk|mmap|munmap|mremap|madvise|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__assert_fail|__cpu_(model|indicator_init)|mem_[a-z_]+|gf_(mul|invert_matrix)|ec_(init_tables|encode_data_update)|crc32_iscsi|(_?_?nettle|_?_?gmpn?|__gmp)_.*|__gmp.*)$'
# Built once, before the engine is there; text needs parsing and printing.
rules='^(malloc|calloc|realloc|reallocarray|free|strdup|strndup|snprintf|__snprintf_chk|vsnprintf|__vsnprintf_chk|strtoul|strtoull|__isoc23_strto.*|strtonum|fnmatch|inet_pton|inet_ntop|__ctype_.*_loc|qsort|bsearch|if_nametoindex|__errno_location)$'
# Printing an address or a message into the caller's buffer.
text='^(snprintf|__snprintf_chk|vsnprintf|__vsnprintf_chk|inet_ntop|inet_pton)$'

defined=$(mktemp)
trap 'rm -f "$defined"' EXIT
objects=$(find src/core -name '*.o' -path '*.libs*' | sort)
[ -n "$objects" ] || objects=$(find src/core -name '*.o' | sort)
[ -n "$objects" ] || { echo "no object of the core found"; exit 1; }
# shellcheck disable=SC2086
nm --defined-only $objects | awk 'NF == 3 { print $3 }' | sort -u > "$defined"

bad=0
seen=0
for object in $objects; do
	case $object in
	*/rules*) extra=$rules ;;
	*/keyfile.o | */keys.o | */netaddr.o | */seal_plugin.o) extra=$text ;;
	*) extra='^$' ;;
	esac
	for symbol in $(nm -u "$object" | awk '{ print $2 }' | sort -u); do
		seen=$((seen + 1))
		printf '%s\n' "$symbol" | grep -Eq "$allowed" && continue
		printf '%s\n' "$symbol" | grep -Eq "$extra" && continue
		grep -Fxq "$symbol" "$defined" && continue
		echo "$object needs $symbol"
		bad=1
	done
done
[ "$seen" -gt 0 ] || { echo "no undefined symbol at all: is this an object file?"; exit 1; }
echo "$seen symbols checked"
exit $bad
