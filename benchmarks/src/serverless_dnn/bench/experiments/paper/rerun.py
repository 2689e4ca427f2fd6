"""A rerun as it is read from its folder, and what an experiment of the paper is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from serverless_dnn.bench.analysis.claims import Claim, Condition, Decision, Relation, decide
from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.experiments.paper.evidence import Evidence, evidence_of
from serverless_dnn.bench.experiments.paper.paper_folder import PaperRecord, read_record, read_runs
from serverless_dnn.bench.experiments.paper.session import Session
from serverless_dnn.bench.report.paper_results import ExperimentResult


@dataclass(frozen=True)
class Rerun:
    """The paper's experiments, rerun.

    Attributes:
        record: What is known beside the runs.
        runs: By experiment and name.
    """

    record: PaperRecord
    runs: Mapping[str, Mapping[str, Evidence]]

    def of(self, experiment: str) -> Mapping[str, Evidence]:
        """The runs of an experiment, by name.

        Args:
            experiment: The experiment.
        """
        return self.runs.get(experiment, {})

    def labelled(self, experiment: str, run: str) -> list[tuple[Evidence, str]]:
        """The configurations of a run, each with the run; none if it is absent.

        Args:
            experiment: The run's experiment.
            run: The run's name.
        """
        evidence = self.of(experiment).get(run)
        return [] if evidence is None else [(evidence, label) for label in evidence.labels]

    def condition(  # noqa: PLR0913 - a comparison and where its number comes from
        self,
        what: str,
        relation: Relation,
        bound: float,
        *,
        experiment: str,
        run: str,
        labels: tuple[str, ...],
        value: Callable[[Evidence], Estimate | None],
    ) -> Condition:
        """A comparison within one run.

        Args:
            what: What is compared.
            relation: How it must be to the bound.
            bound: The bound.
            experiment: The run's experiment.
            run: The run's name.
            labels: The configurations that are compared.
            value: Computes the number.

        Returns:
            The condition, without a number where the run is absent or invalid.
        """
        evidence = self.of(experiment).get(run)
        missing = f"{run} was not measured" if evidence is None else evidence.missing(*labels)
        estimate = None if evidence is None or missing else value(evidence)
        if estimate is None and not missing:
            missing = "no request was answered, or the servers did not tell"
        return Condition(what, relation, bound, estimate, missing)


def read_rerun(folder: Path, experiments: tuple[str, ...]) -> Rerun:
    """Read a paper's folder.

    Args:
        folder: The folder.
        experiments: The experiments that have runs.

    Returns:
        The rerun.

    Raises:
        RunFolderError: It is none, or a run cannot be read.
    """
    return Rerun(read_record(folder), {name: evidence_of(read_runs(folder, name)) for name in experiments})


def untestable(claim: Claim, reason: str) -> Decision:
    """A claim that this machine cannot test.

    Args:
        claim: The claim.
        reason: Why.
    """
    return decide(claim, (), reason)


@dataclass(frozen=True)
class PaperExperiment:
    """An experiment of the paper.

    Attributes:
        name: Such as ``q1a``.
        title: What it is about, in a line.
        measure: Measures it; ``None`` if it is computed from others or from the models alone.
        result: Its result, from the folder alone.
        measured_by: The experiment whose runs it takes, where it has none of its own.
    """

    name: str
    title: str
    measure: Callable[[Session], None] | None
    result: Callable[[Rerun], ExperimentResult]
    measured_by: str = ""
