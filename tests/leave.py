#!/usr/bin/env python3
"""Programs that end in every way there is right after their last write.

usage: leave.py sink ADDRESS PORT BYTES        accepts one connection, checks BYTES bytes and an orderly end
       leave.py source ADDRESS PORT BYTES WAY  connects, writes, and leaves by WAY
       leave.py server ADDRESS PORT BYTES WAY  accepts, writes, and leaves by WAY
       leave.py client ADDRESS PORT BYTES      connects and checks as sink does
       leave.py waiter ADDRESS PORT BYTES      accepts and expects a reset
"""
import hashlib
import os
import signal
import socket
import sys
import time


def payload(size):
    return b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(size // 32 + 1))[:size]


def by_fork():
    """The parent leaves at once; the child holds the socket a little longer."""
    if os.fork() != 0:
        os._exit(0)
    signal.alarm(20)
    time.sleep(0.2)
    os._exit(0)


WAYS = {
    "close": lambda sock: (sock.close(), os._exit(0)),
    "exit": lambda sock: sys.exit(0),
    "_exit": lambda sock: os._exit(0),
    "exec": lambda sock: os.execv("/bin/true", ["true"]),
    "exec-inherited": lambda sock: (os.set_inheritable(sock.fileno(), True), os.execv("/bin/sleep", ["sleep", "0.2"])),
    "fork": lambda sock: by_fork(),
    "abort": lambda sock: (signal.signal(signal.SIGABRT, signal.SIG_DFL), os.abort()),
    "kill": lambda sock: os.kill(os.getpid(), signal.SIGKILL),
    "kill-later": lambda sock: (time.sleep(0.5), os.kill(os.getpid(), signal.SIGKILL)),
    "status": lambda sock: os._exit(42),
}


def check(sock, size):
    sock.settimeout(50)
    received = b"".join(iter(lambda: sock.recv(65536), b""))
    if received != payload(size):
        sys.exit(f"{len(received)} bytes, or other ones, instead of {size}")


def check_reset(sock):
    sock.settimeout(50)
    try:
        while sock.recv(65536):
            pass
        sys.exit("an orderly end instead of a reset")
    except ConnectionResetError:
        pass


def main():
    role, address, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if role in ("sink", "server", "waiter"):
        with socket.create_server((address, port), family=family) as listener:
            listener.settimeout(50)
            sock, _ = listener.accept()
            sock.setblocking(True)
    else:
        sock = socket.create_connection((address, port), timeout=50)
        sock.setblocking(True)
    if role in ("sink", "client"):
        check(sock, size)
    elif role == "waiter":
        check_reset(sock)
    else:
        sock.sendall(payload(size))
        WAYS[sys.argv[5]](sock)


main()
