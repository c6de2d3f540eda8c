#!/bin/sh
# memcached with four threads: values of many sizes by eight clients at once.
. "$top_srcdir/tests/proglib.sh"
prog_start memcached python3 ss
start_b 11211 memcached -u root -l "$NETLAB_B4" -p 11211 -U 0 -t 4 -m 128
wait_kcp 11211
step "eight clients, 40 values each"
ask_a 11211 python3 - "$NETLAB_B4" <<'END' || fail "client: $?"
import random, socket, sys
from concurrent.futures import ThreadPoolExecutor

def client(seed):
    rng = random.Random(seed)
    values = {f"k{seed}.{n}": rng.randbytes(rng.choice((1, 100, 5000, 90_000))) for n in range(40)}
    sock = socket.create_connection((sys.argv[1], 11211), timeout=30)
    stream = sock.makefile("rwb")
    for key, value in values.items():
        stream.write(b"set %s 0 0 %d\r\n%s\r\n" % (key.encode(), len(value), value))
    stream.flush()
    for _ in values:
        assert stream.readline() == b"STORED\r\n"
    for key, value in values.items():
        stream.write(b"get %s\r\n" % key.encode())
        stream.flush()
        assert stream.readline() == b"VALUE %s 0 %d\r\n" % (key.encode(), len(value))
        assert stream.read(len(value) + 2) == value + b"\r\n" and stream.readline() == b"END\r\n"
    stream.write(b"quit\r\n")
    stream.flush()
    assert stream.read() == b""
    return len(values)

with ThreadPoolExecutor(8) as pool:
    assert sum(pool.map(client, range(8))) == 320
END
exit 0
