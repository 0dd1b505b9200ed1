#!/usr/bin/env python3
"""Runs the tests that CMake registered in a build folder; one line a test, one log a test.

    run_ctest.py BUILD_DIR [--prefix TEXT] [--label TEXT] [--jobs N]

Prints `ok PREFIX/NAME` or `FAILED PREFIX/NAME (why, log)` after the end of its log. ctest itself only
lists the tests: its own output mixes all logs into one file.
"""

import argparse
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time


def tests_of(build_dir, label):
    listing = subprocess.run(
        ["ctest", "--test-dir", build_dir, "--show-only=json-v1"], check=True, capture_output=True, text=True
    )
    for test in json.loads(listing.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        if "command" in test and (label is None or label in properties.get("LABELS", [])):
            yield test["name"], test["command"], properties


def run_one(name, command, properties, log_path):
    """Returns (failure text or None, seconds)."""
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    start = time.monotonic()
    limit = float(properties.get("TIMEOUT", 120))
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=properties.get("WORKING_DIRECTORY"),
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"over {limit:.0f} s", time.monotonic() - start
    seconds = time.monotonic() - start
    if status < 0:
        return signal.Signals(-status).name, seconds
    return (f"status {status}" if status else None), seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build_dir")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--label")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()

    tests = list(tests_of(arguments.build_dir, arguments.label))
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = {}
        for name, command, properties in tests:
            log_path = os.path.join(arguments.build_dir, "test-logs", re.sub(r"[^\w/.-]", "_", name) + ".log")
            running[pool.submit(run_one, name, command, properties, log_path)] = (name, log_path)
        for future in concurrent.futures.as_completed(running):
            name, log_path = running[future]
            failure, seconds = future.result()
            if failure is None:
                print(f"ok {arguments.prefix}{name} ({seconds:.2f} s)", flush=True)
                continue
            bad += 1
            with open(log_path, "rb") as log:
                tail = log.read()[-6000:].decode("utf-8", "replace").splitlines()[-40:]
            print("\n".join(f"    {line}" for line in tail))
            print(f"FAILED {arguments.prefix}{name} ({failure}, log: {log_path})", flush=True)
    if not tests:
        print(f"FAILED {arguments.prefix or 'ctest'}: no test in {arguments.build_dir}")
        bad = 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
