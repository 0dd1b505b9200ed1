"""One line a check, counted by case."""
import errno, os, threading


def error_name(number):
    return errno.errorcode.get(number, str(number))


class Report:
    """The checks of one case. All lines go to the log; failures, and with `verbose` all, also to stdout."""

    def __init__(self, case, log, verbose=False, planted=False):
        self.case, self.log, self.verbose, self.planted = case, log, verbose, planted
        self.passed = self.failed = 0
        self.lock = threading.Lock()

    def line(self, text, loud=False):
        with self.lock:
            self.log.write("%s: %s\n" % (self.case, text))
            self.log.flush()
            if loud or self.verbose:
                print("    %s: %s" % (self.case, text), flush=True)

    def check(self, holds, text, detail=""):
        """Records one check; returns whether it holds. The second check of a planted report is turned round."""
        holds = bool(holds)
        if self.planted and self.passed + self.failed == 1:
            holds = not holds
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        self.line(("ok " if holds else "FAILED ") + text + ("" if holds or detail == "" else ": %s" % (detail,)), loud=not holds)
        return holds

    def equal(self, found, expected, text):
        def short(value):
            value = repr(value)
            return value if len(value) < 200 else value[:200] + "..."
        return self.check(found == expected, text, "found %s, should be %s" % (short(found), short(expected)))

    def works(self, text, function, *args, **kwargs):
        """The call must not fail; returns its value, or None."""
        try:
            value = function(*args, **kwargs)
        except OSError as e:
            self.check(False, text, "%s" % e)
            return None
        self.check(True, text)
        return value

    def fails(self, expected, text, function, *args, **kwargs):
        """The call must fail with that errno (or one of a tuple)."""
        expected = expected if isinstance(expected, tuple) else (expected,)
        want = " or ".join(map(error_name, expected))
        try:
            value = function(*args, **kwargs)
        except OSError as e:
            return self.check(e.errno in expected, "%s: %s" % (text, want), "found %s (%s)" % (error_name(e.errno), os.strerror(e.errno)))
        return self.check(False, "%s: %s" % (text, want), "it worked: %r" % (value,))

    def program(self, text, status, output):
        """Takes over the check lines of a guest program; its status must be 0 and agree with them."""
        checks = 0
        for line in output.decode(errors="replace").splitlines():
            if line.startswith("ok ") or line.startswith("FAILED "):
                checks += 1
                holds = line.startswith("ok ")
                self.passed += holds
                self.failed += not holds
                self.line(line, loud=not holds)
            else:
                self.line(line, loud=status != 0)
        if status != 0 or checks == 0:
            self.check(False, "%s: status %d, %d checks" % (text, status, checks))
