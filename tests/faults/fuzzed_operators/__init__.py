"""Small models around the operators that OpenVINO may run, and hostile calls to them."""

import importlib

from fuzzed_operators.registry import MODELS

for _name in (
    *("arithmetic", "moving", "networks", "lists_and_loops", "given_parameters"),
    *("unlisted_places", "unlisted_structures", "beside_unlisted"),
):
    importlib.import_module(f"fuzzed_operators.{_name}")

__all__ = ["MODELS"]
