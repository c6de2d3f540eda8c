#!/usr/bin/env python3
"""Rounds of start and stop of a prefork server while clients go on connecting.

usage: prefork.py ROUNDS COMMAND...     COMMAND... runs a program under the shim
Four workers share one listener. In turn the server is a part of a process that lives through all rounds, a fork of it
(which becomes the workers' parent), or a program started afresh. Each conversation is verified; one that a stop cuts off may
fail, but none may hang or bring other bytes. In the end no process, no zombie, no descriptor and no memory may be left over.
"""
import ctypes
import glob
import hashlib
import mmap
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PORT = 7100
WORKERS = 4
CLIENTS = 6
PER_ROUND = 8           # conversations that each round has to bring
PATIENCE = float(os.environ.get("PREFORK_PATIENCE", "60"))         # seconds after which something counts as hung
DONE, CUT, WRONG, STOP = range(4)


class Board:
    """Counters that the processes share."""

    def __init__(self, path):
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)
        self.lock = threading.Lock()

    def __getitem__(self, slot):
        return struct.unpack_from("=Q", self.map, slot * 8)[0]

    def add(self, slot):
        with self.lock:
            struct.pack_into("=Q", self.map, slot * 8, self[slot] + 1)


def read_exactly(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(min(size - len(data), 65536))
        if not piece:
            raise ConnectionResetError("early end")
        data += piece
    return data


def answer(payload):
    return hashlib.sha256(payload).digest() + payload[::-1]


# --- the server ---

def work(listener):
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    listener.settimeout(0.5)
    while not stopping:
        try:
            sock, _ = listener.accept()
        except TimeoutError:
            continue
        with sock:
            sock.settimeout(PATIENCE)
            try:
                size, = struct.unpack("=I", read_exactly(sock, 4))
                sock.sendall(answer(read_exactly(sock, size)))
            except (ConnectionError, TimeoutError):
                pass
    os._exit(0)


def open_listener():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", PORT))
    listener.listen(64)
    return listener


def start_workers(listener):
    workers = []
    for _ in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            work(listener)
        workers.append(pid)
    return workers


def stop_workers(workers, how):
    for pid in workers:
        os.kill(pid, how)
    for pid in workers:
        os.waitpid(pid, 0)


def serve():
    """The server as a program: until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    listener = open_listener()
    workers = []
    for _ in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            work(listener)
        workers.append(pid)
    signal.sigwait([signal.SIGTERM])
    stop_workers(workers, signal.SIGTERM)
    os._exit(0)


# --- the process that lives through all rounds ---

def wait_for_conversations(board, wanted):
    limit = time.monotonic() + PATIENCE
    while board[DONE] < wanted:
        if time.monotonic() > limit:
            sys.exit(f"a round without {PER_ROUND} conversations in {PATIENCE} s: the server hangs")
        if board[WRONG]:
            sys.exit("a client failed")
        time.sleep(0.002)


def round_inside(board, chance):
    with open_listener() as listener:
        workers = start_workers(listener)
        wait_for_conversations(board, board[DONE] + PER_ROUND)
        stop_workers(workers, chance.choice((signal.SIGTERM, signal.SIGKILL)))


def round_child(board, start, chance):
    pid = start()
    wait_for_conversations(board, board[DONE] + PER_ROUND)
    os.kill(pid, signal.SIGTERM)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("the server did not end in order")


def fork_server():
    pid = os.fork()
    if pid == 0:
        serve()
    return pid


def spawn_server():
    return os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-S", __file__, "serve"])


def descriptors():
    """Of all threads: the engine's has a table of its own."""
    count = 0
    for directory in glob.glob("/proc/self/task/*/fd"):
        try:
            count += len(os.listdir(directory))
        except FileNotFoundError:
            pass    # a thread that ended meanwhile
    return count


def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def settled(most):
    """Sessions that are over linger before their descriptors go."""
    limit = time.monotonic() + PATIENCE
    while descriptors() > most and time.monotonic() < limit:
        time.sleep(0.1)
    return descriptors()


class Ledger:
    """Descriptors and memory of a process when it has warmed up, and at the end."""

    def begin(self):
        self.descriptors, self.memory = descriptors(), resident()

    def end(self, name, spare):
        now, memory = settled(self.descriptors + spare), resident()
        print(f"{name}: {self.descriptors} descriptors and {self.memory >> 10} KiB after the first rounds, "
              f"{now} and {memory >> 10} KiB after the last", flush=True)
        if now > self.descriptors + spare:
            sys.exit(f"{name}: descriptors are left over")
        if memory > self.memory + (16 << 20):
            sys.exit(f"{name}: memory grows")


def supervise(board, rounds):
    chance = random.Random(rounds)
    ledger = Ledger()
    for number in range(rounds):
        if number == rounds // 5 // 3 * 3:
            ledger.begin()
        kind = number % 3
        if kind == 0:
            round_inside(board, chance)
        else:
            round_child(board, fork_server if kind == 1 else spawn_server, chance)
    board.add(STOP)
    try:
        os.waitpid(-1, 0)
        sys.exit("a child that the program did not make")
    except ChildProcessError:
        pass
    ledger.end("server", 4)


# --- the clients ---

def converse(board, chance):
    payload = chance.randbytes(chance.choice((1, 100, 3000, 60000)))
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=PATIENCE) as sock:
            sock.sendall(struct.pack("=I", len(payload)) + payload)
            data = read_exactly(sock, 32 + len(payload))
            end = sock.recv(1)
    except ConnectionError:
        board.add(CUT)
        time.sleep(0.005)
        return
    if data != answer(payload) or end:
        raise ValueError("other bytes than were sent")
    board.add(DONE)


def client(board, seed):
    chance = random.Random(seed)
    try:
        while not board[STOP]:
            converse(board, chance)
    except BaseException as e:
        print(f"client: {e!r}", flush=True)
        board.add(WRONG)


def clients(board):
    ledger = Ledger()
    threads = [threading.Thread(target=client, args=(board, n)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    while board[DONE] < 30 and not board[WRONG] and not board[STOP]:
        time.sleep(0.01)
    ledger.begin()
    for thread in threads:
        thread.join()
    # those threads' connections were open when it was counted, or not
    ledger.end("clients", 2 * CLIENTS)
    sys.exit(board[WRONG] > 0)


# --- the whole ---

def descendants():
    """What is still below us, as state and name."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="ascii", errors="replace") as stat:
                head, _, tail = stat.read().rpartition(")")
        except OSError:
            continue
        fields = tail.split()
        parents[int(head.split(" ", 1)[0])] = (int(fields[1]), f"{head.split(' ', 1)[1]}) {fields[0]}")
    found, grown = {os.getpid()}, True
    while grown:
        grown = {pid for pid, (parent, _) in parents.items() if parent in found} - found
        found |= grown
    return {pid: parents[pid][1] for pid in found - {os.getpid()}}


def reap_orphans(known):
    """What the programs left goes to us, who is the subreaper. Returns exit statuses of the known."""
    statuses = {}
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid in known:
                statuses[pid] = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        pass
    return statuses


def main():
    rounds, command = int(sys.argv[1]), sys.argv[2:]
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("no subreaper")
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(4096))
        file.flush()
        board = Board(file.name)
        began = time.monotonic()
        started = {subprocess.Popen(command + [sys.executable, __file__, role, file.name, str(rounds)]).pid: role
                   for role in ("supervise", "clients")}
        statuses = {}
        while len(statuses) < len(started):
            statuses |= reap_orphans(started)
            if any(statuses.values()):
                board.add(STOP)
            time.sleep(0.02)
        limit = time.monotonic() + PATIENCE
        while descendants() and time.monotonic() < limit:
            reap_orphans({})
            time.sleep(0.05)
        left = descendants()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        print(f"{rounds} rounds in {time.monotonic() - began:.0f} s: {board[DONE]} conversations, {board[CUT]} refused or "
              f"cut off, left over: {', '.join(left.values()) or 'nothing'}")
        for pid, status in statuses.items():
            if status:
                sys.exit(f"{started[pid]} ended with {status}")
        sys.exit(bool(left) or board[DONE] < rounds * PER_ROUND)


ROLES = {
    "serve": lambda: serve(),
    "supervise": lambda: supervise(Board(sys.argv[2]), int(sys.argv[3])),
    "clients": lambda: clients(Board(sys.argv[2])),
}
ROLES.get(sys.argv[1], main)()
