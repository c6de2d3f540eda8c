"""mtu_transfer.py receive PORT | send ADDRESS PORT BYTES [COMMAND]

Moves random bytes; the receiver answers with their SHA-256. When half of them are written, the sender runs COMMAND, which changes the
path. Prints the size of datagrams that the sender ended with."""
import hashlib
import os
import random
import socket
import struct
import subprocess
import sys

SOL_KCP, KCP_MTU = 19267, 3


def receive(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        conn = server.accept()[0]
        left = struct.unpack("!Q", conn.recv(8, socket.MSG_WAITALL))[0]
        digest = hashlib.sha256()
        while left > 0:
            data = conn.recv(min(left, 65536))
            if not data:
                sys.exit("the stream ended early")
            digest.update(data)
            left -= len(data)
        conn.sendall(digest.digest())
        conn.recv(1)
        conn.close()


def send(address, port, total, command):
    data = random.Random(total).randbytes(total)
    conn = socket.create_connection((address, port))
    conn.sendall(struct.pack("!Q", total) + data[:total // 2])
    if command:
        subprocess.run(command, shell=True, check=True, env={"PATH": os.environ["PATH"]})
    conn.sendall(data[total // 2:])
    if conn.recv(32, socket.MSG_WAITALL) != hashlib.sha256(data).digest():
        sys.exit("the bytes differ")
    print(conn.getsockopt(SOL_KCP, KCP_MTU))
    conn.close()


if sys.argv[1] == "receive":
    receive(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] if len(sys.argv) > 5 else None)
