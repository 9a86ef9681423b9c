"""Runs `http_client` and servers, and compares.

It knows nothing of a particular server.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
FOLDER = tempfile.mkdtemp(prefix="diesel-servers-")
# A server may give up root.
os.chmod(FOLDER, 0o755)
if "DIESEL_KEEP" not in os.environ:
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

# How many calls of the client were compared.
CHECKED = 0


class Answer:
    """What the client printed with `-i`: the last head, and the body."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        head, _, self.body = out.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            self.fields[name.lower()] = value


def ask(what, *arguments, code=0, out=None, err="", line=None, fields=None, body=None):
    """Runs the client. `out`: all it prints; with `-i`, `line`, `fields` and `body`: its parts. `err`:
    a part of what is on standard error, all of it if it is empty."""
    global CHECKED
    CHECKED += 1
    command = [f"{TARGET}/release/examples/http_client", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    answer = Answer(done.returncode, done.stdout, done.stderr.decode())
    told = f"{' '.join(command)}\n  {answer.code} {answer.out[:400]}\n  {answer.err}"
    check(f"{what}: exit code {code}", answer.code == code, told)
    said = err in answer.err if err else not answer.err
    check(f"{what}: {err or 'nothing'!r} on standard error", said, told)
    if out is not None:
        check(f"{what}: what it prints", answer.out == out, told)
    if line is not None:
        check(f"{what}: {line}", answer.line == line, told)
    for name, value in (fields or {}).items():
        got = answer.fields.get(name)
        check(
            f"{what}: {name}: {value}",
            got is not None and value in got if value else got is None,
            told,
        )
    if body is not None:
        check(f"{what}: the body", answer.body == body, told)
    return answer


def serve(name, *arguments):
    """Starts an example on a free port; its address."""
    command = [f"{TARGET}/release/examples/{name}", "--listen", "127.0.0.1:0", *arguments]
    program = start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return program.stdout.readline().split()[-1]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def await_port(program, port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if program.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"{program.args[0]} does not start")


def start(command, **more):
    """Starts a server, which is killed at the end, with what it has started (Apache: its CGI daemon)."""
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **more)
    atexit.register(program.wait)
    atexit.register(os.killpg, program.pid, signal.SIGKILL)
    return program


def write(name, content):
    """Writes a file below the folder; its path."""
    path = os.path.join(FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    return path


def check(what, holds, instead):
    if not holds:
        sys.exit(f"NOT {what}:\n{instead}")
