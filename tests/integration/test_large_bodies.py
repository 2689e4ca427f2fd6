"""Bodies that Lambda and SageMaker do not take are told of, and go by pre-signed URLs where that is asked for."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from bench_runs import bench, codes, left_over, the_run


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose input is larger than Lambda's and SageMaker's bodies."""
    folder = tmp_path_factory.mktemp("wide") / "wide"
    code = """
        import sys
        import tensorflow as tf

        module = tf.Module()
        spec = tf.TensorSpec([1, 1_600_000], tf.float32, "x")
        module.serve = tf.function(lambda x: {"y": tf.reduce_sum(x, axis=1)}, input_signature=[spec])
        tf.saved_model.save(module, sys.argv[1] + "/1", {"serving_default": module.serve})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(folder)], check=True, capture_output=True)
    return folder


def test_bodies_that_a_platform_does_not_take_are_no_failure(
    tmp_path: Path, wide_model: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    sent = ("--model-path", str(wide_model), "--requests", "4", "--rounds", "2", "--burst", "0", "--cold-starts", "1")
    beside = ("--no-json", "--no-empty-cache", "--no-floor", "--models-dir", str(tmp_path / "models"))

    done = run_command(*bench("run", *sent, *beside, "--runs-dir", str(tmp_path / "runs")))

    assert done.returncode == 0, done.stdout + done.stderr
    run, rows, _ = the_run(tmp_path / "runs")
    assert codes(run) == []
    assert codes(run, "note") == ["TOO LARGE", "TOO LARGE"]
    of_large = {row["configuration"]: row["status"] for row in rows if row["experiment"] == "cold"}
    assert of_large == {"lambda": "TOO_LARGE", "sagemaker": "TOO_LARGE", "cloudrun": "OK"}
    assert "take no bodies of this size" in " ".join(done.stdout.split())


def test_by_url_all_platforms_are_compared(
    tmp_path: Path, wide_model: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    sent = ("--model-path", str(wide_model), "--requests", "4", "--rounds", "2", "--burst", "2", "--cold-starts", "1")
    beside = ("--no-json", "--no-empty-cache", "--models-dir", str(tmp_path / "models"), "--generators", "2")

    done = run_command(*bench("run", *sent, *beside, "--by-url", "--runs-dir", str(tmp_path / "runs")))

    assert done.returncode == 0, done.stdout + done.stderr
    run, rows, _ = the_run(tmp_path / "runs")
    assert (codes(run), codes(run, "note")) == ([], ["BY URL", "BY URL"])
    assert {row["status"] for row in rows} == {"OK"}
    answered = {row["configuration"] for row in rows if row["experiment"] == "closed" and row["server_compute_ns"]}
    assert answered == {"lambda", "sagemaker", "cloudrun"}
    assert {each["configuration"]["label"] for each in run["configurations"] if each["configuration"]["by_url"]} == {
        "lambda",
        "sagemaker",
    }
    assert run["largest_difference"] <= 1e-4
    assert left_over(tmp_path) == ([], [])
