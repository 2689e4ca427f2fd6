"""The targets of a run: started together, each with its link and its null server, and all stopped at the end."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.errors import BenchError
from serverless_dnn.bench.experiments.plan import Plan
from serverless_dnn.bench.load.generator import Call
from serverless_dnn.bench.load.steps import MAX_IN_FLIGHT
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.recorded_run import RecordedInstance, RecordedInvocation
from serverless_dnn.bench.targets.base import DeployOptions, Target
from serverless_dnn.bench.targets.link import parse_link
from serverless_dnn.bench.targets.link_shaper import LinkShaper
from serverless_dnn.bench.targets.local_lambda.function import FUNCTION_NAME
from serverless_dnn.bench.targets.object_store import ObjectStore
from serverless_dnn.bench.targets.remote import RemoteTarget

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """The model that is served.

    Attributes:
        name: Its name.
        folder: Its folder, which contains version folders; ``None`` if only remote targets serve it.
        cache_folders: The filled caches of compiled models, by engine.
    """

    name: str
    folder: Path | None
    cache_folders: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class News:
    """What has happened to a deployment since it was last asked.

    Attributes:
        invocations: One record for each request.
        cpu_ns: The CPU time that its instances used; ``None`` if unknown.
    """

    invocations: list[RecordedInvocation]
    cpu_ns: int | None


@dataclass
class Deployment:
    """A target that has been started.

    Attributes:
        name: Its name.
        target: The target.
        url: Where it is called: the target's own URL, or the link's in front of it.
        log_folder: Where its servers' logs and facts are; ``None`` for a remote one.
        floors: Null servers behind the same kind of front door, by the format of the body.
    """

    name: str
    target: Target
    url: str
    log_folder: Path | None
    floors: dict[str, Target] = field(default_factory=dict)
    _told: int = 0
    _cpu_ns: int | None = 0

    def news(self, configuration: str, experiment: str, number: int) -> News:
        """What the platform tells of the requests since it was last asked.

        Args:
            configuration: The configuration that was being measured.
            experiment: The experiment.
            number: The round.

        Returns:
            Nothing, if it does not tell.
        """
        records = self.target.records()
        if records is None:
            return News([], None)
        new = records.invocations[self._told :]
        self._told = len(records.invocations)
        times_ns = [record.cpu_ns for record in records.instances]
        total_ns = None if None in times_ns else sum(time_ns for time_ns in times_ns if time_ns is not None)
        cpu_ns = None if total_ns is None or self._cpu_ns is None else total_ns - self._cpu_ns
        self._cpu_ns = total_ns
        return News(
            [RecordedInvocation(self.name, experiment, number, configuration, invocation) for invocation in new], cpu_ns
        )

    def stop(self) -> list[RecordedInstance]:
        """Stop the target.

        Returns:
            What the platform tells of its instances; empty if it does not.
        """
        records = None
        try:
            self.target.scale_to_zero()
            records = self.target.records()
        except BenchError as error:
            _log.warning("%s cannot tell of its instances: %s", self.name, error.problem)
        finally:
            self.target.stop()
        return [] if records is None else [RecordedInstance(self.name, record) for record in records.instances]


class Deployments:
    """All targets of a run.

    Args:
        plan: The plan.
        served: The model.
        log_folder: Where the logs of all of them go, in a folder each.
        stack: Stops whatever is started.

    Attributes:
        instances: What the platforms told of their instances when they were stopped.
    """

    def __init__(self, plan: Plan, served: Served, log_folder: Path, stack: ExitStack) -> None:
        self._plan, self._served, self._log_folder, self._stack = plan, served, log_folder, stack
        self._all: dict[str, Deployment] = {}
        self._object_store: ObjectStore | None = None
        self.instances: list[RecordedInstance] = []

    def start(self, configuration: Configuration) -> Deployment:
        """Start a configuration's target; no instance is running yet.

        Args:
            configuration: The configuration.

        Returns:
            The deployment, which others may share.

        Raises:
            StartError: A front door or a link failed to start.
        """
        name = configuration.deployment
        if name not in self._all:
            folder = None if configuration.url else self._folder(name)
            target = (
                RemoteTarget(configuration.url)
                if configuration.url
                else PLATFORMS[configuration.platform].deploy(self._options(configuration, self._folder(name)))
            )
            self._all[name] = deployment = Deployment(name, target, target.url, folder)
            self._stack.callback(lambda: self.instances.extend(deployment.stop()))
            deployment.url = self._shaped(configuration, target, name)
        return self._all[name]

    def start_floor(self, configuration: Configuration, reply: bytes, content_type: str) -> Target:
        """Start a null server behind the configuration's kind of front door.

        Args:
            configuration: The configuration.
            reply: What it answers: as many bytes as the model's server does.
            content_type: Of what kind.

        Returns:
            The target.

        Raises:
            StartError: Its front door failed to start.
        """
        deployment = self._all[configuration.deployment]
        if configuration.body_format not in deployment.floors:
            folder = self._folder(f"null server of {configuration.label}")
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / "reply"
            path.write_bytes(reply)
            options = self._options(configuration, folder, reply=path, content_type=content_type)
            target = PLATFORMS[configuration.platform].deploy(options)
            self._stack.callback(target.stop)
            deployment.floors[configuration.body_format] = target
        return deployment.floors[configuration.body_format]

    def call(self, configuration: Configuration, url: str, inputs_path: Path, output_name: str | None) -> Call:
        """How a configuration is called.

        Args:
            configuration: The configuration.
            url: Where.
            inputs_path: The inputs of one request.
            output_name: Names the output where a response does not.
        """
        options: dict[str, object] = {"check_inputs": False, "timeout_s": 300.0}
        if not url.startswith("grpc"):
            # As many as are ever in flight: others would be opened and closed again in the middle of a burst.
            options["connections"] = max(MAX_IN_FLIGHT, self._plan.options.workload.burst)
            options["body_format"] = configuration.body_format
            if output_name is not None:
                options["output_name"] = output_name
        if configuration.by_url:
            options["storage"] = self._started_object_store().client_storage
            # Of Lambda's ways in, the Invoke API is the one whose limits the client knows.
            url = f"lambda+{url}/{FUNCTION_NAME}" if configuration.platform == "lambda" else url
        return Call(url, self._served.name, inputs_path, options)

    def _started_object_store(self) -> ObjectStore:
        if self._object_store is None:
            self._object_store = ObjectStore(self._folder("object store") / "server.log")
            self._stack.callback(self._object_store.stop)
        return self._object_store

    def _folder(self, name: str) -> Path:
        return self._log_folder / name.replace(" ", "-").replace("/", "-")

    def _shaped(self, configuration: Configuration, target: Target, name: str) -> str:
        link = configuration.link or (self._plan.options.link if target.facts.is_local else "")
        if not link:
            return target.url
        shaper = LinkShaper(target.url, parse_link(link), self._log_folder / f"link-of-{self._folder(name).name}.log")
        self._stack.callback(shaper.stop)
        return shaper.url

    def _options(
        self, configuration: Configuration, folder: Path, *, reply: Path | None = None, content_type: str = ""
    ) -> DeployOptions:
        options = self._plan.options
        assert self._served.folder is not None
        by_url = self._started_object_store().server_variables if configuration.by_url else {}
        return DeployOptions(
            model=self._served.name,
            model_folder=self._served.folder,
            log_folder=folder,
            engine=configuration.engine,
            instances=1 if reply is not None else configuration.instances,
            throttle=options.throttle,
            idle_timeout_s=None if reply is not None else options.idle_timeout_s,
            cache_folder=self._served.cache_folders.get(configuration.engine)
            if configuration.cache == "filled"
            else None,
            memory_mb=configuration.memory_mb,
            cpus=configuration.cpus,
            requests_per_instance=configuration.requests_per_instance,
            is_pinned=configuration.is_pinned,
            variables={**by_url, **configuration.variables},
            null_reply=reply,
            null_content_type=content_type,
        )
