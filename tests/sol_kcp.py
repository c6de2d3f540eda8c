#!/usr/bin/env python3
"""Options at level SOL_KCP, as <kcpshim.h> numbers them. usage: sol_kcp.py PORT plain|session; run under the shim.

PORT is carried by KCP, PORT + 1 is not. While bytes flow each option is changed, and no byte may be lost. With KCPCTL set,
that command changes options as well.
"""
import errno
import hashlib
import os
import random
import socket
import struct
import subprocess
import sys
import threading

SOL_KCP, NODELAY, WNDSIZE, MTU, STREAM, CC = 19267, 1, 2, 3, 4, 5
HOST = "127.0.0.1"


def put(sock, name, *numbers):
    sock.setsockopt(SOL_KCP, name, struct.pack(f"{len(numbers)}i", *numbers))


def get(sock, name):
    data = sock.getsockopt(SOL_KCP, name, 64)
    return struct.unpack(f"{len(data) // 4}i", data)


def get_cc(sock):
    return sock.getsockopt(SOL_KCP, CC, 16).rstrip(b"\0")


def refused(want, call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        assert error.errno == want, f"{errno.errorcode[error.errno]} instead of {errno.errorcode[want]}: {arguments}"
    else:
        raise AssertionError(f"accepted: {arguments}")


def equal(have, want):
    assert have == want, f"{have} instead of {want}"


def pair(listener, port):
    client = socket.create_connection((HOST, port))
    client.sendall(b"x")
    server, _ = listener.accept()
    equal(server.recv(1), b"x")
    return client, server


def kernel_tcp(port):
    with socket.create_server((HOST, port)) as listener:
        client, server = pair(listener, port)
        with client, server:
            refused(errno.ENOPROTOOPT, put, client, MTU, 1200)
            refused(errno.EOPNOTSUPP, get, client, MTU)


def values(sock, wire):
    put(sock, NODELAY, 1, 20, 3, 1)
    equal(get(sock, NODELAY), (1, 20, 3, 1))
    equal(get_cc(sock), b"none")
    put(sock, NODELAY, -1, 10, -1, -1)
    equal(get(sock, NODELAY), (1, 10, 3, 1))
    put(sock, NODELAY, 0, -1, 0, 0)
    equal(get(sock, NODELAY), (0, 10, 0, 0))
    equal(get_cc(sock), b"kcp")
    sock.setsockopt(SOL_KCP, CC, b"auto")
    equal(get_cc(sock), b"auto")
    put(sock, WNDSIZE, 99, 0)
    put(sock, WNDSIZE, 0, 333)
    equal(get(sock, WNDSIZE), (99, 333))
    put(sock, MTU, 900)
    equal(get(sock, MTU), (900,))
    put(sock, STREAM, 1)
    if wire == "plain":
        put(sock, STREAM, 0)
        equal(get(sock, STREAM), (0,))
    else:
        refused(errno.EINVAL, put, sock, STREAM, 0)
    for name, numbers in ((NODELAY, (2, 10, 2, 1)), (NODELAY, (1, 9, 2, 1)), (NODELAY, (1, 5001, 2, 1)),
                          (NODELAY, (1, 10, 256, 1)), (NODELAY, (1, 10, 2)), (WNDSIZE, (65536, 1)), (WNDSIZE, (-1, 1)),
                          (MTU, (99,)), (MTU, (65001,)), (MTU, ()), (STREAM, (2,))):
        refused(errno.EINVAL, put, sock, name, *numbers)
    refused(errno.ENOENT, sock.setsockopt, SOL_KCP, CC, b"reno")
    refused(errno.ENOPROTOOPT, put, sock, 6, 1)
    refused(errno.ENOPROTOOPT, get, sock, 0)
    equal(get(sock, WNDSIZE), (99, 333))


def inherited(listener, port):
    put(listener, WNDSIZE, 77, 88)
    put(listener, MTU, 800)
    equal(get(listener, WNDSIZE), (77, 88))
    client, server = pair(listener, port)
    with client, server:
        equal(get(server, WNDSIZE), (77, 88))
        equal(get(server, MTU), (800,))
        assert get(client, WNDSIZE) != (77, 88)


def kcpctl(sock, port):
    command = os.environ.get("KCPCTL")
    if command is None:
        return
    lines = subprocess.run([command, "status"], capture_output=True, text=True, check=True).stdout.splitlines()
    local = "%s:%d" % sock.getsockname()
    session = next(line.split()[0] for line in lines if local in line.split() and line.split().index(local) < 6)
    for text in ("send_window_size=111", "receive_window_size=222", "update_interval=30", "max_transmission=1000", "cc=kcp"):
        subprocess.run([command, "set", session, text], check=True)
    equal(get(sock, WNDSIZE), (111, 222))
    equal(get(sock, NODELAY)[1], 30)
    equal(get(sock, MTU), (1000,))
    equal(get_cc(sock), b"kcp")


def in_flow(client, server):
    """Options change every few writes; both ends say what went by."""
    chance = random.Random(7)
    data = chance.randbytes(4_000_000)
    sums = []

    def read():
        digest, left = hashlib.sha256(), len(data)
        while left and (part := server.recv(65536)):
            digest.update(part)
            left -= len(part)
            if chance.random() < 0.05:
                put(server, WNDSIZE, 0, chance.choice((40, 128, 1024)))
        sums.append(digest.digest())

    reader = threading.Thread(target=read)
    reader.start()
    for begin in range(0, len(data), 20_000):
        client.sendall(data[begin:begin + 20_000])
        if begin % 200_000 == 0:
            put(client, MTU, chance.choice((500, 1000, 1400)))
            put(client, WNDSIZE, chance.choice((8, 64, 2000)), 0)
            put(client, NODELAY, chance.randrange(2), chance.choice((10, 40)), chance.randrange(4), -1)
            client.setsockopt(SOL_KCP, CC, chance.choice((b"auto", b"kcp", b"none")))
    reader.join()
    equal(sums, [hashlib.sha256(data).digest()])


def main(port, wire):
    kernel_tcp(port + 1)
    with socket.create_server((HOST, port)) as listener:
        client, server = pair(listener, port)
        with client, server:
            values(client, wire)
            values(server, wire)
            kcpctl(client, port)
            in_flow(client, server)
            in_flow(server, client)
        inherited(listener, port)


main(int(sys.argv[1]), sys.argv[2])
