"""The paper's experiments, in order."""

from collections.abc import Mapping
from types import MappingProxyType

from serverless_dnn.bench.experiments.paper import q1a, q1b, q1c, q1d, q2, q3, q4, sizes
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment

EXPERIMENTS: Mapping[str, PaperExperiment] = MappingProxyType(
    {module.EXPERIMENT.name: module.EXPERIMENT for module in (sizes, q1a, q1b, q1c, q1d, q2, q3, q4)}
)
"""By name."""
