"""One engine in a process of its own: two engines' thread pools in one process would disturb each other.

Reads one line from stdin for each round, predicts once, and prints the seconds it took.
"""

import sys
import time
from pathlib import Path

from serverless_dnn.models.workload import make_request
from serverless_dnn.runtime.engines import EngineOptions, load_model
from serverless_dnn.runtime.signature import read_signatures
from serverless_dnn.runtime.timing import Instance


def main() -> None:
    """Load the model named by the arguments and answer rounds."""
    folder, name, engine, precision, graph, threads = sys.argv[1:7]
    signatures = read_signatures(Path(folder))
    options = EngineOptions(name=engine, precision=precision, graph=graph, threads=int(threads) or None)  # type: ignore[arg-type]
    model, inputs = load_model(Path(folder), signatures, options, Instance()), make_request(name)
    signature = signatures["serving_default"]
    for line in sys.stdin:
        # What ran between two rounds has emptied the caches: the first prediction does not count.
        model.run(signature, inputs)
        begin_ns = time.perf_counter_ns()
        for _ in range(int(line)):
            model.run(signature, inputs)
        print((time.perf_counter_ns() - begin_ns) / 1e9 / int(line), flush=True)


if __name__ == "__main__":
    main()
