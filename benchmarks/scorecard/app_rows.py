"""Stock Keras applications on the engine that ``auto`` chooses, against TensorFlow's signature call."""

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from engine_process import Rounds, Side, time_engines
from keras_apps import APPS, build_app_if_missing
from rows import Effort, Row, quartiles, ratio_row

from serverless_dnn.runtime.settings import EngineOptions

_BAR = 1.5
_SIDES = {"tensorflow": EngineOptions(name="tensorflow"), "ours": EngineOptions(name="auto")}


def app_rows(models: Path, effort: Effort, names: Iterable[str] = APPS) -> Iterator[Row]:
    """``engine.apps.<application>``, which have no bar, and ``engine.apps.openvino_f32``, their geometric mean.

    Args:
        models: A folder of the exported models; the applications are kept beside it.
        effort: How long to measure.
        names: The applications.
    """
    folder = models.with_name(f"{models.name}-keras")
    # Build all of them up front, so that nothing is built while another is being measured.
    version_folders = {name: build_app_if_missing(name, folder) for name in names}
    rounds = Rounds(predictions=effort.of(3, 1), counted=effort.of(5, 3), warm_up=1)
    rows, ratios, elsewhere = [], [], []
    for name, version_folder in version_folders.items():
        timed = time_engines(version_folder, "", _SIDES, rounds)
        reference, ours = timed["tensorflow"], timed["ours"]
        if ours.engine != "openvino":
            elsewhere.append(f"; {name}: {ours.engine}, {ours.reason}")
        row = ratio_row(f"engine.apps.{name}", reference.seconds, ours.seconds, _BAR, _note(ours))
        rows.append(replace(row, verdict="n/a"))
        ratios.append([one / other for one, other in zip(reference.seconds, ours.seconds, strict=True)])
        yield rows[-1]
    value = statistics.geometric_mean(row.value for row in rows if row.value is not None)
    yield Row(
        "engine.apps.openvino_f32",
        value,
        _BAR,
        "pass" if value >= _BAR else "short",
        "x",
        quartiles([statistics.geometric_mean(of_round) for of_round in zip(*ratios, strict=True)]),
        rounds.counted,
        f"geometric mean over {len(rows)} Keras applications with engine auto, batch 1{''.join(elsewhere)}",
    )


def _note(ours: Side) -> str:
    chosen = ours.engine if ours.engine == "openvino" else f"{ours.engine}, because {ours.reason}"
    return f"TensorFlow signature call / auto, which chose {chosen}; batch 1"
