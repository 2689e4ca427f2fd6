"""A run's rows, indexed once; and which invocation and which instance belong to which request."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serverless_dnn.bench.load.samples import OK, Experiment, Sample
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.targets.records import InstanceRecord, Invocation


@dataclass(frozen=True)
class Request:
    """A request, as both its ends saw it.

    Attributes:
        sample: What the client measured.
        invocation: What the platform tells; ``None`` if it does not, or if it cannot be told which it was.
        instance: The instance that ran it; ``None`` likewise.
    """

    sample: Sample
    invocation: Invocation | None
    instance: InstanceRecord | None


class Rows:
    """A run's rows by configuration and experiment.

    Args:
        data: The run.
    """

    def __init__(self, data: RunData) -> None:
        self._samples: dict[tuple[str, Experiment], dict[int, list[Sample]]] = {}
        for sample in data.samples:
            key = sample.configuration, sample.experiment
            self._samples.setdefault(key, {}).setdefault(sample.round, []).append(sample)
        self._invocations: dict[tuple[str, str, int], list[tuple[str, Invocation]]] = defaultdict(list)
        for row in data.invocations:
            self._invocations[row.configuration, row.experiment, row.round].append((row.deployment, row.invocation))
        self._instances = {(row.deployment, row.record.instance): row.record for row in data.instances}

    def samples(self, label: str, experiment: Experiment) -> list[Sample]:
        """A configuration's samples in an experiment, by round.

        Args:
            label: The configuration.
            experiment: The experiment.
        """
        return [sample for _, samples in self._rounds(label, experiment) for sample in samples]

    def requests(self, label: str, experiment: Experiment) -> list[Request]:
        """A configuration's requests in an experiment.

        Client and platform share no id. In each round, the requests in the order in which they were sent, which is that
        of their indices, are matched with the invocations in the order in which they arrived; among requests sent at
        once two may be exchanged, which changes no sum. Where the numbers differ, as after a retry, nothing is matched.

        Args:
            label: The configuration.
            experiment: The experiment.

        Returns:
            The requests, by round and index.
        """
        requests = []
        for number, samples in self._rounds(label, experiment):
            for sample, found in _match(samples, self._invocations.get((label, experiment, number), ())):
                if found is None:
                    requests.append(Request(sample, None, None))
                else:
                    deployment, invocation = found
                    instance = self._instances.get((deployment, invocation.instance))
                    requests.append(Request(sample, invocation, instance))
        return requests

    def counted_requests(self, label: str, experiment: Experiment) -> list[Request]:
        """Those of them that succeeded and are of the right kind.

        Args:
            label: The configuration.
            experiment: The experiment.
        """
        return [each for each in self.requests(label, experiment) if each.sample.is_counted]

    def latencies_ms(self, label: str, experiment: Experiment) -> Mapping[int, Sequence[float]]:
        """The latencies of the counted requests.

        Args:
            label: The configuration.
            experiment: The experiment.

        Returns:
            Milliseconds by round, in the order of the requests; without rounds that have none.
        """
        rounds = {
            number: [sample.latency_ns / 1e6 for sample in samples if sample.is_counted]
            for number, samples in self._rounds(label, experiment)
        }
        return {number: values for number, values in rounds.items() if values}

    def _rounds(self, label: str, experiment: Experiment) -> list[tuple[int, list[Sample]]]:
        return sorted(self._samples.get((label, experiment), {}).items())


def _match(
    samples: Sequence[Sample], invocations: Sequence[tuple[str, Invocation]]
) -> list[tuple[Sample, tuple[str, Invocation] | None]]:
    """A round's samples by index, each with its invocation; repeated steps continue the index."""
    ordered = sorted(samples, key=lambda sample: sample.index)
    sent = list(range(len(ordered)))
    arrived = sorted(invocations, key=lambda row: row[1].arrival_ns)
    if len(sent) != len(arrived):
        # What the front door refused is not among its invocations.
        sent = [place for place in sent if ordered[place].status == OK]
        arrived = [row for row in arrived if row[1].status == "success"]
    matched = dict(zip(sent, arrived, strict=True)) if len(sent) == len(arrived) else {}
    return [(sample, matched.get(place)) for place, sample in enumerate(ordered)]
