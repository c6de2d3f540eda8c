"""The lab of scripts/bench: two namespaces with a link between them, and the transports that are compared on it."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PORT = 5000
TUNNEL_PORT = 4000
KCPTUN_TUNED = ["--mode", "fast3", "--sndwnd", "1024", "--rcvwnd", "1024", "--nocomp"]
KCPTUN_BARE = ["--crypt", "none", "--datashard", "0", "--parityshard", "0"]


class Failed(Exception):
    """A measurement that did not come to an end; the others go on."""


class Lab:
    """Two namespaces joined by linkem; tests/labserver.sh makes and removes them."""

    def __init__(self, build):
        self.process = subprocess.Popen(
            ["sh", f"{ROOT}/tests/labserver.sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "LINKEM": f"{build}/tests/linkem"})
        line = self.process.stdout.readline()
        if line.startswith("SKIP") or not line:
            sys.exit(f"no lab: {line.strip()}")
        self.a, self.b, self.address_a, self.address_b, self.directory = line.split()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def link(self, profile):
        words = profile.split(":") if "=" in profile else [f"profile={profile}"]
        if self.ask("link " + " ".join(words)) != "ok\n":
            raise Failed(f"no link for {profile}")

    def wire_bytes(self):
        stats = json.loads(self.ask("stats"))
        return stats["ab"]["offered_bytes"] + stats["ba"]["offered_bytes"]

    def start(self, namespace, command, env=None):
        return subprocess.Popen(["ip", "netns", "exec", namespace, *command], env={**os.environ, **(env or {})},
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, namespace, command, seconds, env=None):
        """The program's output as JSON, and the CPU seconds that it used."""
        process = subprocess.Popen(["ip", "netns", "exec", namespace, *command], env={**os.environ, **(env or {})},
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        timer = time.monotonic() + seconds
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > timer:
                process.kill()
                process.wait()
                raise Failed("out of time")
            time.sleep(0.02)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failed(f"exit status {process.returncode}")
        return json.loads(output), usage.ru_utime + usage.ru_stime

    def wait_bound(self, namespace, port):
        for _ in range(200):
            if subprocess.run(["ip", "netns", "exec", namespace, "ss", "-Hlutn", f"sport = :{port}"],
                              capture_output=True, check=False).stdout:
                return
            time.sleep(0.05)
        raise Failed(f"nothing on port {port}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def end(processes):
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.wait()


def cpu_seconds(processes):
    ticks = 0
    for process in processes:
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Contender:
    """How the server and the client of bench_tcp are run; kernel TCP when nothing is overridden."""
    connects = True   # its connection set-up is a thing of its own that can be measured

    def __init__(self, congestion="cubic", env=None):
        self.congestion, self.env = congestion, env or {}

    def missing(self):
        """Why it cannot be measured, or None."""
        with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
            if self.congestion not in file.read().split():
                return f"the kernel has no {self.congestion}"
        return None

    def program(self, bench):
        """The command that has the workloads."""
        return [bench]

    def prepare(self, lab):
        """Buffers large enough for every profile, so that kernel TCP is not held back by its defaults."""
        for namespace, address in ((lab.a, lab.address_a), (lab.b, lab.address_b)):
            # by route: the sysctl of a namespace takes only what the whole system allows to everyone
            script = (f"ip route replace {address.rpartition('.')[0]}.0/24 dev linkem0 src {address} congctl {self.congestion} &&"
                      "echo 4096 1048576 67108864 >/proc/sys/net/ipv4/tcp_rmem &&"
                      "echo 4096 1048576 67108864 >/proc/sys/net/ipv4/tcp_wmem")
            subprocess.run(["ip", "netns", "exec", namespace, "sh", "-c", script], check=True)

    def servers(self, lab, bench, workload, port):
        """Starts what runs for the whole measurement: (processes, address and port that the client connects to)."""
        processes = [lab.start(lab.b, [*self.program(bench), workload, lab.address_b, str(port)], self.env)]
        lab.wait_bound(lab.b, port)
        return processes, (lab.address_b, port)


class Kcptun(Contender):
    """Kernel TCP to a tunnel's ends on both sides."""
    connects = False

    def __init__(self, words):
        super().__init__()
        self.words = words

    def missing(self):
        return super().missing() if shutil.which("kcptun-server") else "kcptun is not installed"

    def servers(self, lab, bench, workload, port):
        processes = [lab.start(lab.b, [bench, workload, "127.0.0.1", str(port)]),
                     lab.start(lab.b, ["kcptun-server", "-t", f"127.0.0.1:{port}", "-l", f":{TUNNEL_PORT}", *self.words]),
                     lab.start(lab.a, ["kcptun-client", "-r", f"{lab.address_b}:{TUNNEL_PORT}", "-l", f"127.0.0.1:{port}", *self.words])]
        for namespace, bound in ((lab.b, port), (lab.b, TUNNEL_PORT), (lab.a, port)):
            lab.wait_bound(namespace, bound)
        return processes, ("127.0.0.1", port)


class Aiokcp(Contender):
    """aiokcp's own server and client in Python."""
    connects = False
    python = os.environ.get("PYTHON", sys.executable)

    def missing(self):
        found = subprocess.run([*self.program(None), "check"], capture_output=True, text=True, check=False)
        return found.stderr.strip().rpartition("\n")[2] if found.returncode else None

    def program(self, bench):
        return [self.python, f"{ROOT}/scripts/benchlib/aiokcp_bench.py"]


def contenders(build):
    shim = {"LD_PRELOAD": f"{build}/.libs/libkcpshim.so", "KCPSHIM_PORTS": f"{PORT}-{PORT + 99}"}
    return {
        "bbr": Contender("bbr"),
        "cubic": Contender("cubic"),
        "kcptun": Kcptun([]),
        "kcptun-fast3": Kcptun(["--mode", "fast3"]),
        "kcptun-tuned": Kcptun(KCPTUN_TUNED + KCPTUN_BARE),
        "kcptun-fec": Kcptun(KCPTUN_TUNED),
        "aiokcp": Aiokcp(),
        "kcpshim": Contender(env=shim),
        "kcpshim-fec": Contender(env={**shim, "KCPSHIM_FEC": "auto"}),
        "kcpshim-plain": Contender(env={**shim, "KCPSHIM_WIRE": "plain", "KCPSHIM_CRYPTO": "none"}),
        "kcpshim-unsealed": Contender(env={**shim, "KCPSHIM_CRYPTO": "none"}),
    }
