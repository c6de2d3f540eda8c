"""ecn_transfer.py receive PORT | send ADDRESS PORT BYTES KCPCTL

Moves bytes; the receiver answers with their number. The sender prints, while it is still connected: what TCP_INFO says about ECN
(options, delivered, delivered_ce), and from kcpctl status the state, the marks sent, those seen with CE, and the datagrams sent."""
import json
import os
import socket
import struct
import subprocess
import sys

OPTIONS_AT, DELIVERED_AT, LEN = 5, 192, 232


def receive(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        conn = server.accept()[0]
        left = total = struct.unpack("!Q", conn.recv(8, socket.MSG_WAITALL))[0]
        while left > 0:
            data = conn.recv(min(left, 65536))
            if not data:
                sys.exit("the stream ended early")
            left -= len(data)
        conn.sendall(struct.pack("!Q", total))
        conn.recv(1)
        conn.close()


def send(address, port, total, kcpctl):
    conn = socket.create_connection((address, port))
    conn.sendall(struct.pack("!Q", total) + bytes(total))
    if struct.unpack("!Q", conn.recv(8, socket.MSG_WAITALL))[0] != total:
        sys.exit("the number differs")
    info = conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LEN)
    delivered, marked = struct.unpack_from("=II", info, DELIVERED_AT)
    status = subprocess.run([kcpctl, "status", "-j"], env={"PATH": os.environ["PATH"]}, check=True, capture_output=True)
    own, = [s for s in json.loads(status.stdout) if s["kind"] == "session" and s["pid"] == os.getpid()]
    print(info[OPTIONS_AT], delivered, marked, own["ecn"], own["ecn_marked"], own["ecn_ce"], own["datagrams_sent"])
    conn.close()


if sys.argv[1] == "receive":
    receive(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
