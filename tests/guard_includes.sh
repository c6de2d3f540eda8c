#!/bin/sh
# Guard: includes point downwards only (core < engine < preload, tools).
set -eu
cd "${top_srcdir:-$(dirname "$0")/..}"

# The files of a layer and the project headers that they name, "file layer/header" a line.
includes() {
	layer=$1
	find "$layer" -name '*.[ch]' | sort | while read -r file; do
		sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file" | while read -r header; do
			case $header in
			../core/* | core/*) to=src/core ;;
			../engine/* | engine/*) to=src/engine ;;
			../tools/* | tools/*) to=src/tools ;;
			*preload/*) to=preload ;;
			config.h) [ -f "$(dirname "$file")/config.h" ] && to=$layer || to=none ;;
			*/*) to=unknown ;;
			*) [ -f "$(dirname "$file")/$header" ] && to=$layer || to=unknown ;;
			esac
			printf '%s %s %s\n' "$file" "$to" "$header"
		done
	done
}

# May a file of layer $1 include header $3 of layer $2?
allowed() {
	[ "$1" = "$2" ] || [ "$2" = none ] && return 0
	case $1:$2:$3 in
	src/engine:src/core:*) return 0 ;;
	src/tools:src/core:* | src/tools:src/engine:*) return 0 ;;
	preload:src/engine:*/ident.h | preload:src/engine:*/ctlproto.h) return 0 ;;
	preload:src/engine:*/config.h | preload:src/engine:*/engine.h | preload:src/engine:*/fdroom.h) return 0 ;;
	preload:src/engine:ident.h | preload:src/core:*netaddr.h | preload:src/core:*rules.h) return 0 ;;
	esac
	return 1
}

seen=0
bad=0
for layer in src/core src/engine src/tools preload; do
	[ -d "$layer" ] || continue
	list=$(includes "$layer")
	while read -r file to header; do
		[ -n "$file" ] || continue
		seen=$((seen + 1))
		if ! allowed "$layer" "$to" "$header"; then
			echo "$file includes \"$header\" ($to)"
			bad=1
		fi
	done <<LIST
$list
LIST
done
[ "$seen" -gt 50 ] || { echo "only $seen includes found: is top_srcdir right?"; exit 1; }

# The core is pure: of the system's headers it sees only those without system calls (rules and netaddr read text).
if grep -En '^[[:space:]]*#[[:space:]]*include[[:space:]]*<(unistd|fcntl|poll|pthread|signal|time|sys/(socket|time|epoll|timerfd|select|syscall|stat|file)|netinet/.*|netdb)\.h>' \
    src/core/*.c src/core/*.h; then
	echo "the core includes a header of system calls"
	bad=1
fi
echo "$seen includes checked"
exit $bad
