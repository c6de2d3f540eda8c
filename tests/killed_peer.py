"""A connection whose other side is killed (tests/killed.sh).

Usage: killed_peer.py serve|call ADDRESS PORT stay|ask

Both sides say "hello". Who stays then prints "up" and waits to be killed. Who asks prints "up", waits for a line on its standard
input, says something, and prints how that ended.
"""
import socket
import sys
import time


def connection(role, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if role == "call":
        return socket.create_connection((address, port), 20)
    with socket.create_server((address, port), family=family) as listener:
        print("listening", flush=True)
        listener.settimeout(20)
        return listener.accept()[0]


def ask(sock):
    sys.stdin.readline()
    sock.settimeout(20)
    start = time.monotonic()
    try:
        sock.sendall(b"anybody?")
        data = sock.recv(100)
        print(f"answered {data!r}")
    except OSError as error:
        print(type(error).__name__)
    print(f"after {(time.monotonic() - start) * 1000:.1f} ms", file=sys.stderr)


def main():
    role, address, port, then = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    with connection(role, address, port) as sock:
        # Only who asks hears a hello, so that it has never sent anything before: the opening is all it knows of the path.
        if then == "stay":
            sock.sendall(b"hello")
            print("up", flush=True)
            time.sleep(60)
        else:
            assert sock.recv(100) == b"hello"
            print("up", flush=True)
            ask(sock)


main()
