"""The calls of a deployment, through SageMaker's Python SDK; the one module that imports it, for it takes seconds.

The SDK's resource classes live in ``sagemaker-core``, which is what ``sagemaker`` 3 installs, without its training,
MLflow and notebooks.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, Tag
from sagemaker.core.shapes import ProductionVariantServerlessConfig
from sagemaker.core.utils.code_injection.codec import transform

from serverless_dnn.runtime.commands.deploying import Call
from serverless_dnn.sagemaker_tfserving.deployment.aws_session import Session, explained
from serverless_dnn.sagemaker_tfserving.deployment.plan import TAG, EndpointState, Revision


class _ServerlessConfig(ProductionVariantServerlessConfig):  # type: ignore[misc] # the SDK ships no types
    """Sends ``MemorySizeInMB``, which the SDK's own class (sagemaker-core 2.27) sends as ``MemorySizeInMb``."""

    memory_size_in_mb: int | None = None
    MemorySizeInMB: int


class SageMaker:
    """SageMaker in one account and region.

    Args:
        session: Whose.

    Attributes:
        region: The region.
    """

    def __init__(self, session: Session) -> None:
        self.region: str = session.region_name
        self._where = {"session": session, "region": self.region}

    def find_endpoint(self, name: str, *, with_tags: bool = False) -> EndpointState | None:
        """Look an endpoint up.

        Args:
            name: Its name.
            with_tags: Whether to find out whether it is ours; taken for granted otherwise.

        Returns:
            Its state; ``None`` if there is no such endpoint.

        Raises:
            ServingError: The call failed, for another reason.
        """
        with explained("DescribeEndpoint"):
            try:
                found = Endpoint.get(endpoint_name=name, **self._where)
            except ClientError as error:
                if _is_missing(error):
                    return None
                raise
        variants = found.production_variants or []
        return EndpointState(
            name,
            found.endpoint_status,
            found.endpoint_config_name,
            " ".join(str(found.failure_reason or "").split()),
            serverless=any(variant.current_serverless_config for variant in variants),
            ours=not with_tags or self._is_ours(found.endpoint_arn, name),
        )

    def create_model(self, parameters: Mapping[str, Any]) -> None:
        """Call CreateModel.

        Args:
            parameters: As the API takes them.

        Raises:
            ServingError: It failed.
        """
        with explained("CreateModel"):
            Model.create(**transform(parameters, "CreateModelInput"), **self._where)

    def create_config(self, parameters: Mapping[str, Any]) -> None:
        """Call CreateEndpointConfig.

        Args:
            parameters: As the API takes them.

        Raises:
            ServingError: It failed.
        """
        given = transform(parameters, "CreateEndpointConfigInput")
        for variant in given["production_variants"]:
            if config := variant.get("serverless_config"):
                variant["serverless_config"] = _ServerlessConfig(
                    MemorySizeInMB=config["memory_size_in_mb"], **{**config, "memory_size_in_mb": None}
                )
        with explained("CreateEndpointConfig"):
            EndpointConfig.create(**given, **self._where)

    def create_endpoint(self, parameters: Mapping[str, Any]) -> None:
        """Call CreateEndpoint.

        Args:
            parameters: As the API takes them.

        Raises:
            ServingError: It failed.
        """
        with explained("CreateEndpoint"):
            Endpoint.create(**transform(parameters, "CreateEndpointInput"), **self._where)

    def update_endpoint(self, parameters: Mapping[str, Any]) -> None:
        """Call UpdateEndpoint.

        Args:
            parameters: As the API takes them.

        Raises:
            ServingError: It failed.
        """
        with explained("UpdateEndpoint"):
            endpoint = Endpoint.get(endpoint_name=parameters["EndpointName"], **self._where)
            endpoint.endpoint_config_name = parameters["EndpointConfigName"]
            endpoint.update()

    def find_revisions(self, name: str) -> list[Revision]:
        """The configurations that ``deploy`` made for an endpoint, with their models.

        Args:
            name: The endpoint's name.

        Returns:
            All of them, the current one among them.

        Raises:
            ServingError: A call failed.
        """
        with explained("ListEndpointConfigs"):
            return [
                self._revision(config.endpoint_config_name)
                for config in EndpointConfig.get_all(name_contains=f"{name}-", **self._where)
                if self._is_ours(config.endpoint_config_arn, name)
            ]

    def delete(self, call: Call) -> bool:
        """Make one of the calls that delete something.

        Args:
            call: DeleteEndpoint, DeleteEndpointConfig or DeleteModel.

        Returns:
            Whether it was there.

        Raises:
            ServingError: It failed.
        """
        (name,) = call.parameters.values()
        with explained(call.operation):
            try:
                match call.operation:
                    case "DeleteEndpoint":
                        found = Endpoint.get(endpoint_name=name, **self._where)
                    case "DeleteEndpointConfig":
                        found = EndpointConfig.get(endpoint_config_name=name, **self._where)
                    case _:
                        found = Model.get(model_name=name, **self._where)
                found.delete()
            except ClientError as error:
                if _is_missing(error):
                    return False
                raise
        return True

    def _is_ours(self, arn: str, name: str) -> bool:
        with explained("ListTags"):
            tags = Tag.get_all(resource_arn=arn, **self._where)
            return any((tag.key, tag.value) == (TAG, name) for tag in tags)

    def _revision(self, name: str) -> Revision:
        try:
            model = Model.get(model_name=name, **self._where)
        except ClientError as error:
            if _is_missing(error):
                return Revision(name)
            raise
        return Revision(name, model.primary_container.model_data_url, model.model_arn.split(":")[4])


def _is_missing(error: ClientError) -> bool:
    """SageMaker's answer for what is not there is a ValidationException, as for much else."""
    return "Could not find" in error.response["Error"].get("Message", "")
