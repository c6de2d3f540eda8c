"""What scripts/bench measures in one repeat: on a link, and within one namespace. The units are those of report.py."""
import resource
import time

from benchlib.lab import PORT, Failed, cpu_seconds, end

MESSAGE = 128
INTERVAL_MS = 20
CONNECTIONS = 10000
SETUPS = 3
QUIET_S = 10          # how long a link gets to become quiet
QUIET_BYTES = 1000    # what still counts as quiet: a probe, an answer
PINGPONG_S = 1
MANY_S = 4


def wait_quiet(lab, round_trip):
    """Until nothing of what was measured before crosses the link any more."""
    deadline, before = time.monotonic() + QUIET_S, lab.wire_bytes()
    while time.monotonic() < deadline:
        time.sleep(max(0.2, 1.2 * round_trip))
        now = lab.wire_bytes()
        if now - before < QUIET_BYTES:
            return
        before = now


def with_servers(lab, bench, contender, workload, port, measure_one):
    """measure_one(target, processes) with servers of its own."""
    processes = []
    try:
        processes, (address, port) = contender.servers(lab, bench, workload, port)
        return measure_one((address, str(port)), processes)
    finally:
        end(processes)


def bulk(lab, bench, contender, seconds):
    """Goodput is of the time; wire bytes and CPU are of all that was sent, which the client reads to its end."""
    def run(target, processes):
        wire, cpu = lab.wire_bytes(), cpu_seconds(processes)
        found, client = lab.run(lab.a, [*contender.program(bench), "bulk", *target, str(seconds)], seconds + 20, contender.env)
        if found["bytes"] == 0:
            raise Failed("nothing arrived")
        used = cpu_seconds(processes) - cpu + client
        return {"goodput": found["mbit"], "tail": found["tail_mbit"], "series": found["series"], "drained": found["drained"],
                "wire/app": (lab.wire_bytes() - wire) / found["all_bytes"], "cpu": used / (found["all_bytes"] / 2**30)}

    return with_servers(lab, bench, contender, "serve", PORT, run)


def messages(lab, bench, contender, seconds):
    def run(target, _):
        wire = lab.wire_bytes()
        count = int(seconds * 1000 / INTERVAL_MS)
        found, _ = lab.run(lab.a, [*contender.program(bench), "rr", *target, str(count), str(INTERVAL_MS), str(MESSAGE)], seconds + 40,
                           contender.env)
        if found["count"] != found["asked"]:
            raise Failed(f"{found['asked'] - found['count']} messages are missing")
        return {"p50": found["p50_ms"], "p99": found["p99_ms"], "p99.9": found["p999_ms"], "max": found["max_ms"], "cdf": found["cdf"],
                "rr wire": (lab.wire_bytes() - wire) / count}

    return with_servers(lab, bench, contender, "serve", PORT + 1, run)


def setups(lab, bench, contender):
    def run(target, _):
        found, _ = lab.run(lab.a, [bench, "setup", *target, str(SETUPS), "1"], 40, contender.env)
        return {"setup": found["p50_ms"]}

    return with_servers(lab, bench, contender, "sink", PORT + 2, run)


def on_link(lab, bench, contender, bulk_s, messages_s, round_trip):
    """{metric: number}; what came to no end is told as "error"."""
    result = {}
    try:
        contender.prepare(lab)
        result.update(bulk(lab, bench, contender, bulk_s))
        wait_quiet(lab, round_trip)
        result.update(messages(lab, bench, contender, messages_s))
        if contender.connects:
            result.update(setups(lab, bench, contender))
    except (Failed, OSError, ValueError) as error:
        result["error"] = str(error)
    return result


def seconds_on_link(bulk_s, messages_s, round_trip):
    """What on_link() takes, without what is slow to drain."""
    return bulk_s + messages_s + 2.2 + (8 + SETUPS) * round_trip


def connections_that_fit():
    """The engine has two descriptors for each connection of a program."""
    return min(CONNECTIONS, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2)


def resident_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def on_loopback(lab, bench, contender, seconds):
    """Within one namespace: bulk, ping-pong, set-up, many connections."""
    def run(workload, target, *arguments):
        return lab.run(lab.b, [bench, workload, *target, *map(str, arguments)], 120, contender.env)

    def serve(target, processes):
        cpu = cpu_seconds(processes)
        found, client = run("bulk", target, seconds)
        used = cpu_seconds(processes) - cpu + client
        relay, _ = lab.run(lab.b, [bench, "relay", str(PINGPONG_S), str(MESSAGE)], 20)
        pong, _ = run("pingpong", target, PINGPONG_S, MESSAGE)
        return {"goodput": found["mbit"], "cpu": used / (found["all_bytes"] / 2**30), "pingpong": pong["p50_ms"] * 1e3,
                "pingpong p99": pong["p99_ms"] * 1e3, "bare relay": relay["p50_ms"] * 1e3,
                "pingpong / relay": pong["p50_ms"] / relay["p50_ms"]}

    def connect(target, _):
        one, _ = run("setup", target, 300, 1)
        many, _ = run("setup", target, 2000, 100)
        return {"setup": one["p50_ms"], "setup 100": many["p99_ms"], "setups": many["per_second"]}

    def crowd(target, processes):
        before, count = resident_kib(processes[0]), connections_that_fit()
        found, _ = run("many", target, count, MANY_S, MESSAGE)
        if found["refused"] > 0:
            raise Failed(f"{found['refused']} messages refused")
        return {"connections": count, "client KiB": (found["rss_busy_kib"] - found["rss_before_kib"]) / count,
                "server KiB": (resident_kib(processes[0]) - before) / count, "many cpu": 100 * found["cpu_s"] / found["seconds"]}

    result = {}
    try:
        result.update(with_servers(lab, bench, contender, "serve", PORT, serve))
        result.update(with_servers(lab, bench, contender, "sink", PORT + 1, connect))
        result.update(with_servers(lab, bench, contender, "sink", PORT + 2, crowd))
    except (Failed, OSError, ValueError, ZeroDivisionError) as error:
        result["error"] = str(error)
    return result


def seconds_on_loopback(seconds):
    return seconds + 2 * PINGPONG_S + MANY_S + 10
