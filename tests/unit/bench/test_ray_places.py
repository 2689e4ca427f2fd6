import sys

import pytest

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.load.ray_cluster import RayGenerators, places_of


@pytest.mark.parametrize(
    ("cpus", "count", "places"),
    [
        ({"a": 4, "b": 2, "head": 0}, None, ["a", "b"]),
        ({"a": 4, "b": 2, "head": 0}, 1, ["a"]),
        ({"a": 4, "b": 2, "head": 0}, 5, ["a", "b", "a", "b", "a"]),
        ({"a": 1, "b": 2}, 3, ["a", "b", "b"]),
    ],
)
def test_generators_are_dealt_to_nodes_in_turn(cpus: dict[str, int], count: int | None, places: list[str]) -> None:
    assert places_of(cpus, count) == places


@pytest.mark.parametrize(("cpus", "count"), [({"a": 1, "b": 1}, 3), ({"head": 0}, None), ({}, None), ({"a": 1}, 0)])
def test_there_must_be_cpus(cpus: dict[str, int], count: int | None) -> None:
    with pytest.raises(OptionError, match=f"the Ray cluster h:1 has CPUs for {sum(cpus.values())} generators"):
        places_of(cpus, count, "h:1")


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(OptionError, match=r"pip install serverless-dnn-bench\[ray\]"):
        RayGenerators("127.0.0.1:6379")
