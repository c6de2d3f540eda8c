#!/usr/bin/env python3
"""Runs the cases of one of CPython's own test modules and writes what becomes of each.

usage: cases.py MODULE RESULTS
RESULTS grows by one line a case as it starts and by one as it ends ("begin CASE", "pass CASE", "fail CASE", "skip CASE"), so
that a run which hung or died can be taken up again: cases that RESULTS names already are left out.
With arguments after RESULTS only those cases are run.
"""
import faulthandler
import sys
import unittest


class Recorder(unittest.TextTestResult):
    """No descriptor stays open between two lines: the tests count theirs."""
    path = None

    def record(self, what, test):
        with open(self.path, "a", encoding="utf-8") as results:
            results.write(f"{what} {test.id()}\n")

    def startTest(self, test):
        super().startTest(test)
        self.outcome = "pass"
        self.record("begin", test)

    def stopTest(self, test):
        self.record(self.outcome, test)
        super().stopTest(test)

    def addError(self, test, err):
        super().addError(test, err)
        self.outcome = "fail"
        if not isinstance(test, unittest.TestCase):
            # setUpClass or setUpModule: its cases never start
            self.record("fail", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.outcome = "fail"

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.outcome = "fail"

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcome = "fail"

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcome = "skip"


def known(path):
    try:
        with open(path, encoding="utf-8") as results:
            return {line.split(" ", 1)[1].strip() for line in results}
    except FileNotFoundError:
        return set()


def cases(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases(item)
        else:
            yield item


def main():
    module, Recorder.path, only = sys.argv[1], sys.argv[2], set(sys.argv[3:])
    sys.argv[1:] = []
    faulthandler.enable()
    from test import support
    # Loopback counts as one; in a namespace of its own what needs the internet is skipped.
    support.use_resources = ["network"]
    support.verbose = 1
    done = known(Recorder.path)
    loaded = unittest.defaultTestLoader.loadTestsFromName(module)
    wanted = [c for c in cases(loaded) if (c.id() in only if only else c.id() not in done)]
    result = unittest.TextTestRunner(verbosity=2, resultclass=Recorder).run(unittest.TestSuite(wanted))
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
