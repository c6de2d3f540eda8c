#!/usr/bin/env python3
"""Sends numbered UDP packets to an echo on the other side and checks what the link did to them.

usage: linkprobe.py echo PORT
       linkprobe.py probe ADDRESS PORT COUNT [gso]
The probe prints: received= corrupt= duplicates= min_ms= (shortest round trip) sizes=
"""
import socket
import sys
import time

UDP_SEGMENT = 103
SIZE = 1200


def widen(sock):
    """Room for what a busy machine lets pile up; 33 is SO_RCVBUFFORCE."""
    sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)


def payload(number):
    return number.to_bytes(4, "big") + bytes((number * 7 + i) & 255 for i in range(SIZE - 4))


def echo(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    widen(sock)
    while True:
        data, peer = sock.recvfrom(65536)
        sock.sendto(data, peer)


def send(sock, count, gso):
    """Paced at 10 packets in 5 ms; with gso, ten in one call that the kernel has to cut."""
    sent = []
    if gso:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SIZE)
    for first in range(0, count, 10):
        group = [payload(n) for n in range(first, min(first + 10, count))]
        sent += [time.monotonic()] * len(group)
        if gso:
            sock.send(b"".join(group))
        else:
            for data in group:
                sock.send(data)
        yield sent


def probe(address, port, count, gso):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.connect((address, port))
    widen(sock)
    received, corrupt, duplicates, shortest, sizes, seen = 0, 0, 0, 1e9, set(), set()

    def drain(until):
        nonlocal received, corrupt, duplicates, shortest
        while (left := until - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                data = sock.recv(65536)
            except TimeoutError:
                return
            sizes.add(len(data))
            number = int.from_bytes(data[:4], "big")
            if number >= count or data != payload(number):
                corrupt += 1
                continue
            received += 1
            duplicates += number in seen
            seen.add(number)
            shortest = min(shortest, time.monotonic() - sent[number])

    for sent in send(sock, count, gso):
        drain(time.monotonic() + 0.005)
    # A busy machine may be late with the rest: it ends with a silence, not at a time.
    before = -1
    while before != received + corrupt:
        before = received + corrupt
        drain(time.monotonic() + 2)
    print(f"received={received} corrupt={corrupt} duplicates={duplicates} "
          f"min_ms={shortest * 1e3:.0f} sizes={','.join(map(str, sorted(sizes)))}")


if sys.argv[1] == "echo":
    echo(int(sys.argv[2]))
else:
    probe(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), "gso" in sys.argv[5:])
