"""A process that keeps freed memory takes it again without a page fault."""

import json
import subprocess
import sys

from serverless_dnn.runtime.commands.memory import keep_freed_memory

_COUNT = """
import json, resource, sys
from serverless_dnn.runtime.commands.memory import keep_freed_memory
told = keep_freed_memory() if sys.argv[1] == "keep" else None

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def messages():
    # As a call does: what came, what goes out, and a copy, all gone afterwards.
    return [bytes(5_000_000) for _ in range(3)]

for _ in range(5):
    messages()
before = faults()
for _ in range(20):
    messages()
print(json.dumps([told, (faults() - before) / 20]))
"""


def _faults(mode: str) -> tuple[bool | None, float]:
    done = subprocess.run([sys.executable, "-c", _COUNT, mode], check=True, capture_output=True, text=True)
    told, faults = json.loads(done.stdout)
    return told, faults


def test_messages_take_the_memory_of_those_before() -> None:
    told, kept = _faults("keep")
    _, given_back = _faults("not")

    assert told
    assert kept < given_back / 10


def test_who_sets_the_c_librarys_own_variables_is_not_overruled() -> None:
    assert not keep_freed_memory({"MALLOC_ARENA_MAX": "2"})
    assert not keep_freed_memory({"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=1"})
