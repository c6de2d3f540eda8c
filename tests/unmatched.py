#!/usr/bin/env python3
"""TCP calls of many kinds on loopback, between two getpgid() calls that mark them in a trace. usage: unmatched.py PORT"""
import os
import select
import socket
import sys


def exchange(listener, target):
    client = socket.socket(listener.family, socket.SOCK_STREAM)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.setblocking(False)
    client.connect_ex(target)
    poll = select.poll()
    poll.register(client, select.POLLOUT)
    poll.poll(5000)
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    server, peer = listener.accept()
    assert client.getsockname()[:2] == peer[:2] and client.getpeername()[:2] == target
    epoll = select.epoll()
    epoll.register(server, select.EPOLLIN)
    client.sendall(b"question")
    epoll.poll(5)
    assert server.recv(100, socket.MSG_PEEK) == b"question" == server.recv(100)
    server.sendmsg([b"an", b"swer"])
    server.shutdown(socket.SHUT_WR)
    client.setblocking(True)
    assert client.recvmsg(100)[0] == b"answer" and client.recv(1) == b""
    copy = os.dup(client.fileno())
    os.write(copy, b"end")
    os.close(copy)
    client.close()
    assert os.read(server.fileno(), 10) == b"end"
    server.close()
    epoll.close()


def main():
    port = int(sys.argv[1])
    os.getpgid(0)
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(5)
        for _ in range(3):
            exchange(listener, (address, port))
        listener.close()
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagram.bind(("127.0.0.1", 0))
    datagram.sendto(b"x", datagram.getsockname())
    assert datagram.recvfrom(10)[0] == b"x"
    datagram.close()
    os.getpgid(0)
    threads = len(os.listdir("/proc/self/task"))
    descriptors = len(os.listdir("/proc/self/fd"))
    print(f"threads={threads} descriptors={descriptors}")


main()
