#!/bin/sh
# labserver: keeps the two namespaces for a program that drives them, until its standard input ends.
# First it prints: NAMESPACE_A NAMESPACE_B ADDRESS_A ADDRESS_B DIRECTORY
# Then each line "link WORD..." changes the link (answer: ok), and "stats" prints the link's counters as a line of JSON.
. "$(dirname "$0")/netlab.sh"
netlab_start
echo "$netlab_a $netlab_b $NETLAB_A4 $NETLAB_B4 $NETLAB_TMP"
while read -r command words; do
	case $command in
	# shellcheck disable=SC2086
	link) netlab_link $words && echo ok ;;
	stats) netlab_stats ;;
	esac
done
