"""What fails says why, and names no log that is gone."""

from pathlib import Path

from serverless_dnn.bench.errors import BenchError, StartError
from serverless_dnn.bench.experiments.failures import Failure, finding_of, quoting_log


def test_an_error_says_where_its_log_is() -> None:
    error = StartError("it did not start", Path("/logs/a.log"))

    assert str(error) == "it did not start (log: /logs/a.log)"
    assert str(StartError("it did not start")) == "it did not start"


def test_a_log_that_is_about_to_be_removed_is_quoted(tmp_path: Path) -> None:
    log_path = tmp_path / "door.log"
    log_path.write_text("".join(f"line {number}\n" for number in range(20)) + "no space left\n")

    quoted = quoting_log(StartError("it was not ready in time", log_path))

    assert type(quoted) is StartError
    assert str(quoted).startswith("it was not ready in time; its log ends with: line 16 | ")
    assert str(quoted).endswith(" | no space left")
    assert str(tmp_path) not in str(quoted)


def test_what_an_error_quotes_itself_is_not_quoted_twice(tmp_path: Path) -> None:
    log_path = tmp_path / "door.log"
    log_path.write_text("no space left\n")

    assert str(quoting_log(StartError("it ended with 1: no space left", log_path))) == "it ended with 1: no space left"
    assert str(quoting_log(StartError("it did not start", tmp_path / "nope.log"))) == "it did not start"
    assert str(quoting_log(BenchError("no log"))) == "no log"


def test_a_finding_names_the_log_from_the_folder_that_is_kept(tmp_path: Path) -> None:
    logs = tmp_path / "logs" / "lambda"
    own, of_deployment, remote = (
        finding_of(Failure("lambda", error), tmp_path, folder)
        for error, folder in (
            (BenchError("it is gone", logs / "door.log"), logs),
            (ConnectionError("it is gone"), logs),
            (ConnectionError("it is gone"), None),
        )
    )

    assert {each.code for each in (own, of_deployment, remote)} == {"INCOMPLETE"}
    assert {each.configuration for each in (own, of_deployment, remote)} == {"lambda"}
    assert "it is gone (log: logs/lambda/door.log)" in own.message
    assert "it is gone (log: logs/lambda)" in of_deployment.message
    assert "log" not in remote.message
