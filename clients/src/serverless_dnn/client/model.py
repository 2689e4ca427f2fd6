"""Which of a server's models is called."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from serverless_dnn.client.errors import RequestError


@dataclass(frozen=True)
class ModelAddress:
    """Which of a server's models a client calls.

    Attributes:
        name: The model's name.
        version: Its version; ``None`` leaves the choice to the server.
        label: A label that refers to a version.
        signature_name: The signature; empty means ``serving_default``.
        output_filter: The requested outputs; empty means all.
    """

    name: str
    version: int | None = None
    label: str | None = None
    signature_name: str = ""
    output_filter: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Reject a version combined with a label."""
        if self.version is not None and self.label is not None:
            raise RequestError(f"give a version or a label, not both: got {self.version} and {self.label!r}")

    @classmethod
    def of(cls, model: "str | ModelAddress") -> "ModelAddress":
        """The address of a model given by name or in full.

        Args:
            model: The model.
        """
        return model if isinstance(model, ModelAddress) else cls(model)

    def of_call(
        self, version: int | None, label: str | None, signature: str | None, outputs: Sequence[str] | None
    ) -> "ModelAddress":
        """The address of one call.

        Args:
            version: The call's version; ``None`` keeps ours, and so do the others.
            label: Its label.
            signature: Its signature.
            outputs: The outputs it asks for.

        Returns:
            The address.

        Raises:
            RequestError: A version and a label are both given.
        """
        if version is None and label is None and signature is None and outputs is None:
            return self
        address = self
        if version is not None or label is not None:
            address = replace(address, version=version, label=label)
        return replace(
            address,
            signature_name=self.signature_name if signature is None else signature,
            output_filter=self.output_filter if outputs is None else tuple(outputs),
        )
