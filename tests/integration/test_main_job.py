"""The main job measures all three platforms, and nothing is left of it, however it ends."""

import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from bench_runs import bench, codes, left_over, the_run

_QUICK = ("--requests", "8", "--rounds", "2", "--burst", "4", "--cold-starts", "1")
_PLATFORMS = ("lambda", "sagemaker", "cloudrun")


@pytest.fixture(scope="module")
def greedy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is small, and needs 2 GB for an answer."""
    folder = tmp_path_factory.mktemp("greedy") / "greedy"
    code = """
        import sys
        import tensorflow as tf

        module = tf.Module()
        spec = tf.TensorSpec([1], tf.float32, "x")
        module.serve = tf.function(
            lambda x: {"y": tf.reduce_sum(tf.cumsum(tf.fill([250_000_000], x[0])), keepdims=True)}, input_signature=[spec]
        )
        tf.saved_model.save(module, sys.argv[1] + "/1", {"serving_default": module.serve})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(folder)], check=True, capture_output=True)
    return folder


def test_the_main_job(
    mobilenet: Path, tmp_path: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_command(*bench("run", *_QUICK, "--models-dir", str(mobilenet), "--runs-dir", str(tmp_path)))

    assert done.returncode == 0, done.stdout + done.stderr
    run, rows, folder = the_run(tmp_path)
    # This machine may well be busy; that is for whoever reads the numbers.
    assert codes(run) == []
    assert run["largest_difference"] <= 1e-4
    measured = {each["configuration"]["label"]: each for each in run["configurations"]}
    assert set(measured) == {
        *_PLATFORMS, "lambda json", "sagemaker json", *(f"{name} empty cache" for name in _PLATFORMS),
    }  # fmt: skip
    for name in _PLATFORMS:
        facts = measured[name]["engine_facts"]
        assert measured[name]["engine"] == f"{facts['name']} {facts['version']} {facts['precision']}"
        assert facts["compiled_cache"] == "hit"
        assert measured[name]["warnings"] == []
        assert "MB" not in str(measured[name]["limits"]["memory_mb"])
        mine = [row for row in rows if row["configuration"] == name]
        counted = [row for row in mine if row["set_apart"] is None]
        assert {row["status"] for row in mine} == {"OK"}
        assert sum(row["experiment"] == "closed" for row in counted) == 8
        assert sum(row["experiment"] == "burst" for row in counted) == 8
        assert sum(row["experiment"] == "floor" for row in counted) == 20
        (cold,) = (row for row in counted if row["experiment"] == "cold")
        assert cold["cold"]
        parts = ("interpreter", "import", "engine", "load")
        assert cold["latency_ns"] > cold["cold_ns"] > sum(cold[f"cold_{part}_ns"] for part in parts)
        # The same bytes go to all: the default comparison is one of equals.
        assert measured[name]["bytes_sent"] == pytest.approx(measured["cloudrun"]["bytes_sent"], rel=0.01)
        assert all(row["server_compute_ns"] < row["latency_ns"] for row in counted if row["experiment"] == "closed")
    assert measured["lambda json"]["bytes_sent"] > 2 * measured["lambda"]["bytes_sent"]
    invocations = pq.read_table(folder / "invocations.parquet").to_pylist()
    for name in _PLATFORMS:
        of_closed = [row for row in invocations if (row["configuration"], row["experiment"]) == (name, "closed")]
        assert len(of_closed) == 8
        assert all(row["arrival_ns"] <= row["begin_ns"] < row["end_ns"] for row in of_closed)
    assert (folder / "report.html").stat().st_size > 10_000
    assert "million" in done.stdout
    assert "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= max(80, len(f"report: {folder}/report.html"))
    for foreign in ("TensorFlow", "oneDNN", "GOAWAY", "goaway", "Warning", "WARNING"):
        assert foreign not in done.stderr
    assert left_over(mobilenet) == ([], [])

    again = run_command(*bench("show", str(folder)))
    assert again.returncode == 0
    assert again.stdout.splitlines() == done.stdout.splitlines()[:-1]
    rows_of_csv = list(csv.DictReader(run_command(*bench("show", str(folder), "--format", "csv")).stdout.splitlines()))
    assert {row["configuration"] for row in rows_of_csv} == set(measured)
    same = run_command(*bench("compare", str(folder), str(folder), "--fail-if", "p50>1%", "--fail-if", "failures>0"))
    assert same.returncode == 0, same.stderr


def test_more_requests_at_once_than_places_wait(models: Path, tmp_path: Path) -> None:
    command = bench(
        "run", "--model-path", str(models / "half_plus_two"), "--requests", "4", "--rounds", "1", "--burst", "100",
        "--cold-starts", "0", "--no-json", "--no-empty-cache", "--no-floor", "--models-dir", str(tmp_path / "models"),
        "--runs-dir", str(tmp_path / "runs"), "--format", "json",
    )  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    run, rows, _ = the_run(tmp_path / "runs")
    assert run["model"] == "half_plus_two"
    assert "generated from the signature" in run["input"]
    for name in _PLATFORMS:
        burst = [row for row in rows if row["configuration"] == name and row["experiment"] == "burst"]
        assert sum(row["set_apart"] is None for row in burst) == 100
        assert {row["status"] for row in burst} == {"OK"}
    assert json.loads(done.stdout)["model"] == "half_plus_two"


def test_a_model_that_does_not_fit_is_out_of_memory(
    greedy_model: Path, tmp_path: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    served = ("--model-path", str(greedy_model), "--engine", "tensorflow", "--memory", "640", "--instances", "1")
    where = ("--models-dir", str(tmp_path / "models"), "--runs-dir", str(tmp_path / "runs"))

    done = run_command(*bench("run", "cloudrun", *served, *_QUICK, *where))

    assert done.returncode == 1
    run, _, folder = the_run(tmp_path / "runs")
    assert run["verdict"] == "INVALID"
    assert "OUT OF MEMORY" in codes(run)
    assert "OUT OF MEMORY" in done.stdout
    assert "OUT OF MEMORY" in (folder / "report.html").read_text()
    assert left_over(greedy_model) == ([], [])


def test_a_sweep_and_what_it_carries(
    models: Path, tmp_path: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    model = ("--model-path", str(models / "half_plus_two"), "--models-dir", str(tmp_path / "models"))
    sizes = ("--memory", "1000,2048", "--requests", "6", "--rounds", "3", "--cold-starts", "1", "--format", "csv")

    done = run_command(*bench("sweep", "lambda", "sagemaker", *model, *sizes, "--runs-dir", str(tmp_path / "sweep")))

    assert done.returncode == 0, done.stdout + done.stderr
    labels = {row["configuration"] for row in csv.DictReader(done.stdout.splitlines())}
    # SageMaker has no instances of 1,000 MB.
    assert labels == {"lambda 1000 MB", "lambda 2048 MB", "sagemaker 1024 MB", "sagemaker 2048 MB"}
    run, _, _ = the_run(tmp_path / "sweep")
    assert run["kind"] == "sweep"
    cpus = {each["configuration"]["label"]: each["configuration"]["cpus"] for each in run["configurations"]}
    assert cpus["lambda 1000 MB"] == pytest.approx(1000 / 1769)

    tried = ("--of", "concurrency", "--values", "1,2", "--duration-s", "0.5")
    carried = run_command(*bench("capacity", "cloudrun", *model, *tried, "--runs-dir", str(tmp_path / "capacity")))
    assert carried.returncode == 0, carried.stdout + carried.stderr
    probes = the_run(tmp_path / "capacity")[0]["probes"]
    assert [(probe["value"], probe["failures"]) for probe in probes] == [(1, 0), (2, 0)]
    assert all(probe["requests"] > 10 for probe in probes)


def test_a_remote_target(
    models: Path,
    tmp_path: Path,
    start_server: Callable[..., tuple[str, Any]],
    run_command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    address, _ = start_server("sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"))
    target = f"grpc://{address}"
    sent = ("--model", "half_plus_two", "--requests", "6", "--rounds", "2", "--burst", "4", "--rate", "20")
    more = ("--duration-s", "1", "--generators", "2", "--runs-dir", str(tmp_path))

    done = run_command(*bench("run", target, *sent, *more))

    run, rows, _ = the_run(tmp_path)
    # Where others use this machine's cores, a generator is late, and says so.
    assert set(codes(run)) <= {"GENERATOR SATURATED"}, done.stdout + done.stderr
    assert [each["configuration"]["url"] for each in run["configurations"]] == [target]
    assert not run["configurations"][0]["is_local"]
    opened = [row for row in rows if row["experiment"] == "open"]
    assert {row["generator"] for row in opened} == {0, 1}
    assert all(row["sent_ns"] >= row["scheduled_ns"] for row in opened)
    planned = run_command(*bench("run", "--target", target, *sent, "--dry-run"))
    assert planned.returncode == 0
    assert target in planned.stdout.replace("\n", "")


def test_recorded_intervals_are_replayed_once_and_need_nothing_beside(
    models: Path,
    tmp_path: Path,
    start_server: Callable[..., tuple[str, Any]],
    run_command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    address, _ = start_server("sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"))
    intervals = tmp_path / "intervals.txt"
    intervals.write_text("0.02\n" * 30)
    only = ("--requests", "0", "--burst", "0", "--cold-starts", "0", "--rounds", "4", "--arrivals", str(intervals))
    command = bench("run", f"grpc://{address}", "--model", "half_plus_two", *only, "--runs-dir", str(tmp_path / "runs"))

    done = run_command(*command)

    run, rows, _ = the_run(tmp_path / "runs")
    assert set(codes(run)) <= {"GENERATOR SATURATED"}, done.stdout + done.stderr
    opened = [row for row in rows if row["experiment"] == "open"]
    assert [sum(row["round"] == number for row in opened) for number in range(4)] == [7, 8, 7, 8]
    assert {row["scheduled_ns"] % 20_000_000 for row in opened} == {0}


@pytest.mark.parametrize(
    ("number", "is_measuring"),
    [
        (signal.SIGINT, False),
        (signal.SIGINT, True),
        (signal.SIGTERM, True),
        (signal.SIGKILL, False),
        (signal.SIGKILL, True),
    ],
)
def test_an_interrupt_leaves_nothing_behind(
    number: signal.Signals, is_measuring: bool, mobilenet: Path, tmp_path: Path
) -> None:
    cold_starts = "1" if is_measuring else "0"
    where = ("--models-dir", str(mobilenet), "--runs-dir", str(tmp_path))
    command = bench("run", "cloudrun", "--requests", "100000", "--cold-starts", cold_starts, "--no-empty-cache", *where)
    with (tmp_path.parent / f"{tmp_path.name}.stderr").open("w+") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, env=os.environ)
        try:
            # A null server is started once the model's own has answered, and before the rounds.
            sign = "**/null-server*/*.records.jsonl" if is_measuring else "**/door-of-*.log"
            while not any(tmp_path.glob(f".*/{sign}")) and not any(tmp_path.glob(".*/**/null-server*/cloudrun*.log")):
                assert process.poll() is None, stderr.seek(0) or stderr.read()
                time.sleep(0.05)
            process.send_signal(number)
            process.wait(60)
        finally:
            process.kill()

    assert left_over(mobilenet) == ([], [])
    finished = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    if number is signal.SIGKILL:
        # What cannot run any code any more cannot tidy up, but its folder keeps the name of one in the making.
        assert finished == []
    else:
        assert process.returncode == 130
        # What had been measured is kept, and says that it is not all.
        assert [json.loads((path / "run.json").read_text())["verdict"] for path in finished] == (
            ["INCOMPLETE"] if is_measuring else []
        )
        assert all((path / "report.html").exists() for path in finished)
        assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("run", "--model", "resnet"), "no model is called 'resnet'"),
        (("run", "--input", "nope.jpg"), "nope.jpg is not a picture"),
        (("run", "--input", "nope.npz"), "cannot read nope.npz"),
        (("run", "--input", "README.md"), "expected an input of arrays by name (.npz) or a photograph"),
        (("run", "--prices", "README.md"), "README.md"),
        (("run", "azure"), "'azure' is neither a platform (lambda, sagemaker, cloudrun) nor a target"),
        (("run", "lambda", "lambda"), "named twice"),
        (("run", "lambda", "--memory", "20000"), "AWS Lambda has no instances of 20000 MB"),
        (("run", "cloudrun", "--link", "slow"), "slow"),
        (("run", "--instances", "400"), "MB are free"),
        (("run", "--model-path", "nowhere"), "nowhere"),
        (("run", "--requests", "0", "--burst", "0", "--cold-starts", "0"), "nothing to measure"),
        (("run", "--arrivals", "nope.txt"), "cannot read the intervals in nope.txt"),
        (("run", "cloudrun", "--cpus", "1.5"), "1, 2, 4, 6, 8 vCPU"),
        (("run", "--target", "grpc://127.0.0.1:1", "--throttle"), "--throttle cannot be set for grpc://127.0.0.1:1"),
        # A plan of what cannot be run is none.
        (("run", "--dry-run", "--model", "resnet"), "no model is called 'resnet'"),
        (("run", "--dry-run", "--model-path", "nowhere"), "nowhere"),
        (("run", "--dry-run", "--arrivals", "README.md"), "README.md, interval 1"),
        (("show", "nope"), "nope is not a run's folder"),
        (("compare", "nope", "nope", "--fail-if", "p50"), "'p50' is no rule"),
    ],
)
def test_wrong_options_are_one_line_before_anything_is_exported(
    arguments: tuple[str, ...], text: str, run_command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    where = ("--models-dir", str(tmp_path / "models")) if arguments[0] == "run" else ()
    done = run_command(*bench(*arguments, *where))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("sdnn-bench: ")
    assert text in done.stderr
    assert not (tmp_path / "models").exists()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "subcommand"),
    [
        *(("sdnn-bench", name) for name in ("run", "sweep", "capacity", "show", "compare")),
        ("sdnn-models", "export"),
        *((name, None) for name in ("sdnn-cloudrun", "sdnn-sagemaker", "sdnn-lambda")),
    ],
)
def test_help_has_an_example(
    command: str, subcommand: str | None, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    printed = run_command(command, *([] if subcommand is None else [subcommand]), "--help")

    assert printed.returncode == 0
    assert command in printed.stdout.partition("\n")[2]
