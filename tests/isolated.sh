#!/bin/sh
# isolated COMMAND...: runs a test in a network namespace of its own, with loopback up, where the system allows it.
# So tests neither meet each other's ports nor another shim's control addresses (abstract AF_UNIX names), and may run side by side.
if [ "$(id -u)" = 0 ] && unshare -n ip link set lo up 2>/dev/null; then
	exec unshare -n sh -c 'ip link set lo up && exec "$@"' isolated "$@"
fi
exec "$@"
