"""Usage: restart_peer.py server PORT READY | client PORT. An echo server, and a client that outlives it (tests/restart.sh)."""
import socket
import sys
import time


def server(port, ready):
    listener = socket.create_server(("127.0.0.1", port))
    with open(ready, "w", encoding="ascii"):
        pass
    while True:
        connection, _ = listener.accept()
        data = connection.recv(100)
        while data:
            connection.sendall(data)
            data = connection.recv(100)
        connection.close()


def client(port):
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall(b"first")
        assert s.recv(100) == b"first"
        print("open", flush=True)
        wait = float(sys.stdin.readline())
        start = time.monotonic()
        s.settimeout(wait)
        try:
            s.sendall(b"second")
            print("got", s.recv(100))
        except (ConnectionResetError, TimeoutError) as error:
            print(type(error).__name__)
        print(f"{time.monotonic() - start:.3f} s", file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1] == "server":
        server(int(sys.argv[2]), sys.argv[3])
    else:
        client(int(sys.argv[2]))
