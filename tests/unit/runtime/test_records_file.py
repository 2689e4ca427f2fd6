"""What a server logs is also in a file, one JSON object a line, whoever else writes to it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.logs import log_to_file

WRITERS, RECORDS = 4, 200
# Longer than a pipe's or a stream's buffer, so that a line in two writes would be torn.
LONG = "x" * 20_000
WRITER = f"""
import logging, sys
from pathlib import Path
from serverless_dnn.runtime.logs import log_to_file, log_to_stderr
log_to_stderr(names={{"severity": "level"}})
log_to_file(Path(sys.argv[1]))
logging.getLogger("server").debug("not this one")
for number in range({RECORDS}):
    logging.getLogger("server").warning("number %d", number, extra={{"writer": int(sys.argv[2]), "long": "{LONG}"}})
"""


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "server.records.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)], stderr=subprocess.DEVNULL)
        for number in range(WRITERS)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * WRITERS

    records = [json.loads(line) for line in path.read_text().splitlines()]

    assert len(records) == WRITERS * RECORDS
    assert {record["severity"] for record in records} == {"WARNING"}
    for number in range(WRITERS):
        own = [record["message"] for record in records if record["writer"] == number]
        assert own == [f"number {each}" for each in range(RECORDS)]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"cannot write the records file .*none/records: No such file"):
        log_to_file(tmp_path / "none" / "records")
