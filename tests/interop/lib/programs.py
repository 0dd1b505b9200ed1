"""Builds the guest programs. Not part of the build: they must never carry the sanitizers of a build under test."""
import glob, os, subprocess

from . import server

FLAGS = ["-std=c17", "-O2", "-g", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wvla", "-Wswitch-enum", "-Werror"]


def build(directory):
    os.makedirs(directory, exist_ok=True)
    for source in sorted(glob.glob(server.ROOT + "/tests/interop/guest/*.c")):
        target = os.path.join(directory, os.path.basename(source)[:-2])
        command = [os.environ.get("CC", "cc")] + FLAGS + ["-I", server.ROOT, "-o", target, source]
        p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if p.returncode:
            raise server.ServerError("%s\n%s" % (" ".join(command), p.stdout))
    return directory
