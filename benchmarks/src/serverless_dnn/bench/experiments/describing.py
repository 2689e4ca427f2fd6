"""What is recorded of each configuration beside its requests."""

from collections.abc import Sequence

from serverless_dnn.bench.configuration import MeasuredConfiguration
from serverless_dnn.bench.experiments.deployments import Deployments
from serverless_dnn.bench.experiments.plan import Plan
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.targets.server_facts import engine_facts, warnings


def measured_configurations(
    plan: Plan, deployments: Deployments, samples: Sequence[Sample]
) -> list[MeasuredConfiguration]:
    """Describe what was measured.

    Args:
        plan: The plan.
        deployments: Its targets.
        samples: Every request.

    Returns:
        One description for each configuration.
    """
    engines: dict[str, str] = {}
    sizes: dict[str, tuple[int | None, int | None]] = {}
    deployment_of = {each.label: each.deployment for each in plan.configurations}
    for sample in samples:
        if sample.engine is not None:
            engines.setdefault(deployment_of[sample.configuration], sample.engine)
        if sample.is_counted and sample.experiment != "floor":
            sizes[sample.configuration] = (sample.bytes_sent, sample.bytes_received)
    described = []
    for configuration in plan.configurations:
        deployment = deployments.start(configuration)
        facts, folder = deployment.target.facts, deployment.log_folder
        bytes_sent, bytes_received = sizes.get(configuration.label, (None, None))
        described.append(
            MeasuredConfiguration(
                configuration,
                facts.title,
                facts.customization,
                facts.protocol,
                facts.model_server,
                facts.is_local,
                dict(facts.limits),
                engines.get(configuration.deployment),
                None if folder is None else engine_facts(folder),
                () if folder is None else warnings(folder),
                bytes_sent,
                bytes_received,
            )
        )
    return described
