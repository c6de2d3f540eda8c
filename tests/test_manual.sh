#!/bin/sh
# The manual pages: well-formed, complete, and every example that is marked in their source does what it says.
#   .\" test: rules      the block is a rules file that kcpctl check accepts
#   .\" test: errors     each line is a bad rule, two blanks or more, and a part of its message
#   .\" test: commands   the block is a script that succeeds and says nothing on standard error
set -u
src=${top_srcdir:-.} build=${top_builddir:-.}
unset XDG_CONFIG_HOME LD_PRELOAD
for v in $(env | sed -n 's/^\(KCPSHIM_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export HOME="$dir"
failed=0
ran=0

fail() {
	echo "FAIL: $*"
	failed=1
}

pages="$src/man/kcprun.1 $src/man/kcpctl.1 $src/man/kcpshim.rules.5 $src/man/kcpshim.7"

if command -v mandoc >/dev/null; then
	for page in $pages "$src/man/kcpshim-wire.7"; do
		mandoc -T lint -W warning "$page" || fail "$page: lint"
	done
else
	echo "no mandoc here: pages are not checked for form"
fi

# Blocks into files dir/PAGE.KIND.N, with mdoc's escapes undone.
for page in $pages; do
	awk -v base="$dir/$(basename "$page")" '
	/^\.\\" test: / { kind = $3; next }
	/^\.Bd -literal/ && kind != "" { file = base "-" kind "-" ++n; printf "" > file; next }
	/^\.Ed/ { kind = file = ""; next }
	file != "" { gsub(/\\e/, "\\"); gsub(/\\-/, "-"); gsub(/\\&/, ""); print > file }' "$page"
done

# The library takes part when it is built; else kcprun gets one that does nothing.
if [ ! -e "$build/.libs/libkcpshim.so" ]; then
	echo 'int manual_stand_in;' > "$dir/lib.c"
	${CC:-cc} -shared -fPIC -o "$dir/libkcpshim.so" "$dir/lib.c" || exit 99
	export KCPSHIM_LIBRARY="$dir/libkcpshim.so"
fi
PATH=$build:$PATH
export PATH
cd "$dir" || exit 99

for f in *-rules-[0-9]*; do
	kcpctl check "$f" >out 2>&1 || fail "$f: $(cat out)"
	ran=$((ran + 1))
done
for f in *-errors-[0-9]*; do
	while read -r line; do
		rule=$(printf '%s\n' "$line" | sed 's/   *.*//')
		text=$(printf '%s\n' "$line" | sed 's/^.*[^ ]   *//')
		printf '%s\n' "$rule" > bad
		kcpctl check bad >out 2>&1
		[ $? = 2 ] || fail "$f: accepted $rule"
		grep -Fq "$text" out || fail "$f: \"$rule\" gives $(cat out), not $text"
		ran=$((ran + 1))
	done < "$f"
done
for f in *-commands-[0-9]*; do
	sh -e "$f" >out 2>err || fail "$f: $(cat err)"
	[ ! -s err ] || fail "$f: said $(cat err)"
	ran=$((ran + 1))
done
[ $ran -ge 12 ] || fail "only $ran examples were found"

# Every option has its entry and an example, every variable its entry.
sed -n 's/^	\[RULES_OPT_[A-Z_]*\] =.*{ "\([a-z_]*\)".*/\1/p; s/^	    { "\([a-z_]*\)", KIND.*/\1/p' "$src/src/core/rules_option.c" > options
[ "$(wc -l < options)" -ge 24 ] || fail "options not found in the source: $(cat options)"
while read -r name; do
	grep -q "^\.It Cm .*$name\|^\.Cm $name\|^\.It .*Cm $name" "$src/man/kcpshim.rules.5" || fail "kcpshim.rules.5 lacks $name"
	var=KCPSHIM_$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')
	grep -q "^\.It Ev .*$var" "$src/man/kcpshim.7" || fail "kcpshim.7 lacks $var"
	case $name in
	key | key_file | salt | salt_file) ;; # need a file of their own: see the tests of the configuration
	*)
		grep -q "$name=" ./*-rules-[0-9]* ./*-commands-[0-9]* ||
			grep -q "$var=" ./*-commands-[0-9]* || fail "no tested example with $name"
		;;
	esac
done < options
for var in LIBRARY LOG PORTS RULES RULES_TEXT; do
	grep -q "^\.It Ev KCPSHIM_$var" "$src/man/kcpshim.7" || fail "kcpshim.7 lacks KCPSHIM_$var"
done

echo "$ran examples"
exit $failed
