"""What scripts/bench found: tables, CSV, JSON and gnuplot's pictures."""
import csv
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time

METRICS = [("goodput", "Mbit/s"), ("tail", "Mbit/s"), ("wire/app", ""), ("cpu", "s/GiB"), ("p50", "ms"), ("p99", "ms"),
           ("p99.9", "ms"), ("max", "ms"), ("rr wire", "B/msg"), ("setup", "ms")]
LOOPBACK = [("goodput", "bulk Mbit/s"), ("cpu", "CPU s/GiB"), ("pingpong", "ping-pong p50 us"), ("pingpong p99", "p99 us"),
            ("bare relay", "bare relay p50 us"), ("pingpong / relay", "ratio"), ("setup", "set-up ms"),
            ("setup 100", "100 at once, p99 ms"), ("setups", "set-ups/s"), ("connections", "connections"),
            ("client KiB", "KiB each, client"), ("server KiB", "KiB each, server"),
            ("many cpu", "a message a second each: % of a core, client")]


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(results, metric):
    values = [r[metric] for r in results if metric in r]
    if not values:
        return "-"
    text = number(statistics.median(values))
    return text if len(values) == 1 else f"{text} [{number(min(values))}-{number(max(values))}]"


def profile_table(profile, rows, limits):
    """`limits`: what the link allows, by metric."""
    lines = [f"### {profile}", "", "| transport | " + " | ".join(f"{name} {unit}".strip() for name, unit in METRICS) + " | of limit | failed |",
             "|---" * (len(METRICS) + 3) + "|",
             "| *limit* | " + " | ".join(number(limits[name]) if name in limits else "" for name, _ in METRICS) + " | | |"]
    for name, results in rows:
        goodput = [r["goodput"] for r in results if "goodput" in r]
        share = f"{statistics.median(goodput) / limits['goodput']:.0%}" if "goodput" in limits and goodput else "-"
        errors = [r["error"] for r in results if "error" in r]
        failed = f"{len(errors)}/{len(results)} {errors[0]}" if errors else "0"
        lines.append(f"| {name} | " + " | ".join(cell(results, metric) for metric, _ in METRICS) + f" | {share} | {failed} |")
    return "\n".join(lines) + "\n"


def plain_table(title, columns, rows):
    """`rows`: [(name, [results])], `columns`: [(key, heading)]."""
    lines = [f"### {title}", "", "| transport | " + " | ".join(heading for _, heading in columns) + " | failed |", "|---" * (len(columns) + 2) + "|"]
    for name, results in rows:
        errors = [r["error"] for r in results if "error" in r]
        lines.append(f"| {name} | " + " | ".join(cell(results, key) for key, _ in columns) + f" | {errors[0] if errors else 0} |")
    return "\n".join(lines) + "\n"


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) // 2**20
    return (f"{model}, {os.cpu_count()} logical CPUs, {memory} GiB, {platform.machine()}, {os.uname().sysname} {os.uname().release}; "
            f"load average before {', '.join(f'{x:.1f}' for x in LOAD)}")


LOAD = os.getloadavg()


def gnuplot(directory, name, title, xlabel, ylabel, curves, extra=""):
    """One SVG from [(title, [(x, y)])]."""
    if not curves:
        return
    data = "\n\n\n".join("\n".join(f"{x} {y}" for x, y in points) for _, points in curves)
    with open(f"{directory}/{name}.dat", "w", encoding="ascii") as file:
        file.write(data + "\n")
    lines = ", ".join(f"'{directory}/{name}.dat' index {i} with lines lw 2 title \"{title_}\"" for i, (title_, _) in enumerate(curves))
    script = (f"set terminal svg size 900,520 background 'white' font 'sans,13'\nset output '{directory}/{name}.svg'\nset grid\nset key outside right\n"
              f"set title \"{title}\"\nset xlabel \"{xlabel}\"\nset ylabel \"{ylabel}\"\n{extra}\nplot {lines}\n")
    if subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False).returncode != 0:
        print(f"gnuplot made no {name}.svg", file=sys.stderr)
    os.unlink(f"{directory}/{name}.dat")


def merged_cdf(results):
    """The distributions of all repeats as one: (ms, share of messages)."""
    values = sorted(v for r in results for v in r.get("cdf", []))
    return [(v, (i + 1) / len(values)) for i, v in enumerate(values)]


def mean_series(results):
    series = [r["series"] for r in results if r.get("series")]
    return [(0.1 * (i + 1), statistics.mean(s[i] for s in series)) for i in range(min(map(len, series)))] if series else []


def plots(directory, by_profile):
    for profile, rows in by_profile.items():
        name = "".join(c if c.isalnum() else "-" for c in profile)
        gnuplot(directory, f"latency-{name}", f"{profile}: 128 bytes there and back, every 20 ms", "ms", "share of messages",
                [(n, merged_cdf(r)) for n, r in rows.items() if merged_cdf(r)], "set yrange [0:1]\nset logscale x")
        gnuplot(directory, f"goodput-{name}", f"{profile}: goodput of one connection", "s", "Mbit/s",
                [(n, mean_series(r)) for n, r in rows.items() if mean_series(r)], "set yrange [0:*]")


def save(directory, tables, raw, by_profile):
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/table.md", "w", encoding="utf-8") as file:
        file.write(f"`{shlex.join(['scripts/bench', *sys.argv[1:]])}`, {time.strftime('%Y-%m-%d')}\n\n{machine()}\n\n"
                   "Median of the repeats [smallest - largest]. Limit: rate x (1 - loss) less headers, and the delay there and back. "
                   "CPU: both ends, without the link emulator. wire/app: all bytes offered to the link by all bytes that arrived, "
                   "those after the end of the time as well.\n\n" + "\n".join(tables))
    metrics = dict.fromkeys(name for name, _ in METRICS + LOOPBACK)
    names = ["profile", "transport", "repeat", *metrics, "drained", "error"]
    with open(f"{directory}/runs.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(raw)
    with open(f"{directory}/runs.json", "w", encoding="utf-8") as file:
        json.dump({"machine": machine(), "command": sys.argv, "runs": raw}, file, indent=0)
    plots(directory, by_profile)
