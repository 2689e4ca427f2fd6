"""One engine in its own process, because the thread pools of two engines in one process would interfere.

Prints as JSON which engine runs the model. Then, for each round, reads the number of predictions as a line from stdin,
makes them, and prints the seconds per prediction.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.models.workload import make_request
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.saved_model.signature import Signature, read_signatures
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance


def main() -> None:
    """Load the model named by the arguments and serve rounds."""
    folder, name, engine, precision, graph, threads, cache = sys.argv[1:8]
    signatures = read_signatures(Path(folder))
    signature = signatures["serving_default"]
    options = EngineOptions(
        name=engine,  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        graph=graph,  # type: ignore[arg-type]
        threads=int(threads) or None,
        cache_folder=Path(cache),
    )
    model = load_model(Path(folder), signatures, options, Instance())
    inputs = make_request(name) if name else _random_request(signature)
    print(json.dumps({"engine": model.info.name, "reason": model.info.reason}), flush=True)
    for line in sys.stdin:
        # Whatever ran between two rounds has evicted the caches, so the first prediction does not count.
        model.run(signature, inputs)
        begin_ns = time.perf_counter_ns()
        for _ in range(int(line)):
            model.run(signature, inputs)
        print((time.perf_counter_ns() - begin_ns) / 1e9 / int(line), flush=True)


def _random_request(signature: Signature) -> dict[str, NDArray[Any]]:
    """Pixel-like values for every input; 1 for every dynamic dimension of the signature."""
    random = np.random.default_rng(0)
    shapes = {
        alias: [1 if size is None else size for size in spec.shape or ()] for alias, spec in signature.inputs.items()
    }
    return {alias: random.uniform(0, 255, shape).astype(np.float32) for alias, shape in shapes.items()}


if __name__ == "__main__":
    main()
