"""Command line and checks that the examples share."""
import hashlib
import sys
import threading

HOST, _, PORT = sys.argv[1].rpartition(":") if len(sys.argv) > 1 else ("", "", "")
HOST = HOST or "127.0.0.1"


def sample(size):
    """size bytes that are the same in every run but never repeat soon, so that a lost or swapped part shows."""
    blocks = (hashlib.sha256(n.to_bytes(8, "big")).digest() for n in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def check(received, expected):
    if received != expected:
        sys.exit(f"received {len(received)} bytes that differ from the {len(expected)} expected")
    print(f"{len(received)} bytes arrived as they should")


def arguments():
    """(port, roles) of the command line: [HOST:]PORT [server|client]."""
    if not PORT.isdigit() or sys.argv[2:] not in ([], ["server"], ["client"]):
        sys.exit(f"usage: {sys.argv[0]} [HOST:]PORT [server|client]")
    return int(PORT), sys.argv[2:] or ["server", "client"]


def run_threads(serve, talk):
    """For examples with blocking calls: serve(port, ready) in a thread that ends with the program, talk(port) here."""
    port, roles = arguments()
    if roles == ["server"]:
        serve(port, threading.Event())
    if roles == ["server", "client"]:
        ready = threading.Event()
        threading.Thread(target=serve, args=(port, ready), daemon=True).start()
        if not ready.wait(10):
            sys.exit("the server did not start")
    if "client" in roles:
        talk(port)
