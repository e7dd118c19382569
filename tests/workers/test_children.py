"""A child process in its first moments."""

import subprocess
import sys

TOLD_AT_ONCE = """
import os, signal
from hubline.workers.children import CHANGED, fork

real = os.fork

def told_at_once():
    pid = real()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    return pid

for number in CHANGED:
    signal.signal(number, lambda *_: None)
os.fork = told_at_once
child = fork("one", lambda parent: None, os.pipe(), 1)
_, status = os.waitpid(child.pid, 0)
print(os.waitstatus_to_exitcode(status))
os.kill(os.getpid(), signal.SIGTERM)
print("the parent hears its own")
"""


def test_a_child_that_is_told_to_leave_before_it_has_begun_leaves() -> None:
    done = subprocess.run([sys.executable, "-c", TOLD_AT_ONCE], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.split("\n", 1)[0]) == (0, "-15"), done.stderr
    assert "the parent hears its own" in done.stdout
