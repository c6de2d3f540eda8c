#!/usr/bin/env python3
"""Runs CPython's own tests over kernel TCP and over the shim, and tells which cases pass over the first alone.

usage: compare.py [-j JOBS] [-o DIRECTORY] [-s SECONDS] ISOLATED KCPRUN EXCEPTIONS MODULE...
  ISOLATED    script that runs a command in a network namespace of its own
  KCPRUN      command line that runs a program under the shim, all its ports matched
  EXCEPTIONS  file of lines "CASE reason"
  -j          modules run at the same time (2)
  -o          keeps results and output of each run there
  -s          the longest that a case may take (90); a module may take ten times that
A case that fails is run once more, by itself; one that passes then is told but is no difference.
The exit status is 1 when a case differs that is not among the exceptions.
"""
import argparse
import concurrent.futures
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time

CASES = pathlib.Path(__file__).with_name("cases.py")


def outcomes(path):
    """The last word on each case; one that only began hung or died."""
    found = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            what, case = line.split(" ", 1)
            found[case] = what
    return found


def end_group(process):
    """Has Python show where it is, then ends all that it started."""
    for number, patience in ((signal.SIGABRT, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            pass


def watch(process, results, seconds, end):
    """Waits for a run. A case that takes too long ends it."""
    last, since = None, time.monotonic()
    while process.poll() is None:
        size = results.stat().st_size if results.exists() else 0
        now = time.monotonic()
        if size != last:
            last, since = size, now
        if now - since > seconds or now > end:
            return False
        time.sleep(0.2)
    return True


def run_module(module, side, options, only=()):
    """Runs a module to its end, over hangs and crashes; returns the outcomes."""
    prefix = ["sh", options.isolated] + (shlex.split(options.kcprun) if side == "kcp" else [])
    name = f"{module}.{side}" + (".again" if only else "")
    results = options.output / f"{name}.results"
    end = time.monotonic() + 10 * options.seconds
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    with open(options.output / f"{name}.output", "ab") as output:
        while time.monotonic() < end:
            before = outcomes(results)
            waiting = [case for case in only if case not in before]
            if only and not waiting:
                break
            with tempfile.TemporaryDirectory() as directory:
                process = subprocess.Popen(
                    prefix + ["/usr/bin/python3.11", str(CASES), "test." + module, str(results), *waiting], cwd=directory,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True)
                ended = watch(process, results, options.seconds, end)
                end_group(process)
            # After a hang or a crash the rest is taken up; without progress there is nothing to take up.
            if ended and process.returncode in (0, 1) or outcomes(results) == before:
                break
    return outcomes(results)


def compare(module, options):
    sides, unstable = {}, []
    for side in ("tcp", "kcp"):
        began = time.monotonic()
        found = run_module(module, side, options)
        failed = sorted(case for case, what in found.items() if what in ("begin", "fail") and "(" not in case)
        if failed:
            again = run_module(module, side, options, failed)
            for case in failed:
                if again.get(case) == "pass":
                    unstable.append(f"{case} over {side}")
                    found[case] = "pass"
        sides[side] = found
        counts = {what: list(found.values()).count(what) for what in ("pass", "skip", "fail", "begin")}
        print(f"{module} over {side}: {counts['pass']} passed, {counts['skip']} skipped, {counts['fail']} failed, "
              f"{counts['begin']} hung or died, {time.monotonic() - began:.0f} s", flush=True)
    differ = {case: sides["kcp"].get(case, "missing") for case, what in sides["tcp"].items()
              if what == "pass" and sides["kcp"].get(case) != "pass"}
    if "pass" not in sides["tcp"].values():
        differ[module] = "missing"
    return len(sides["tcp"]), differ, unstable


def read_exceptions(path):
    exceptions = {}
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            case, _, reason = line.partition(" ")
            if not reason.strip():
                sys.exit(f"{path}: {case} without a reason")
            exceptions[case] = reason.strip()
    return exceptions


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-j", dest="jobs", type=int, default=2)
    parser.add_argument("-o", dest="output", type=pathlib.Path)
    parser.add_argument("-s", dest="seconds", type=float, default=90)
    parser.add_argument("isolated")
    parser.add_argument("kcprun")
    parser.add_argument("exceptions")
    parser.add_argument("modules", nargs="+")
    options = parser.parse_args()
    exceptions = read_exceptions(options.exceptions)
    temporary = None
    if options.output is None:
        temporary = tempfile.TemporaryDirectory()
        options.output = pathlib.Path(temporary.name)
    options.output = options.output.resolve()
    options.output.mkdir(parents=True, exist_ok=True)
    options.isolated = os.path.abspath(options.isolated)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        told = list(pool.map(lambda module: compare(module, options), options.modules))
    new = 0
    for _, differ, unstable in told:
        for case in unstable:
            print(f"passed only when repeated: {case}")
        for case, what in sorted(differ.items()):
            how = {"begin": "hangs or dies", "missing": "was not run"}.get(what, what + "s")
            print(f"{case} {how}" + (f", as listed: {exceptions[case]}" if case in exceptions else ""))
            new += case not in exceptions
    print(f"CPython: {sum(count for count, _, _ in told)} cases, {sum(len(differ) for _, differ, _ in told)} pass over "
          f"kernel TCP alone, {new} of them not listed")
    sys.exit(new > 0)


main()
