"""What clients with and without asyncio have in common."""

from dataclasses import replace
from typing import Any, Generic, Self, TypeVar

from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.flows import Flows
from serverless_dnn.client.options import ClientOptions

_TransportT = TypeVar("_TransportT")


class ClientBase(Generic[_TransportT]):
    """A client's flows, and the transport that they go over."""

    def __init__(self, flows: Flows, transport: _TransportT) -> None:
        self._flows = flows
        self._transport = transport
        self._is_closed = False
        self._is_variant = False

    @property
    def options(self) -> ClientOptions:
        """The options."""
        return self._flows.options

    def with_options(self, **changes: Any) -> Self:
        """A variant with other options that shares this client's connection, and is closed with it."""
        variant = object.__new__(type(self))
        variant.__dict__.update(self.__dict__)
        variant._flows = replace(self._flows, options=self.options.changed(changes))
        variant._is_variant = True
        return variant

    def __repr__(self) -> str:
        """The server and the model."""
        return f"<{type(self).__name__} of {self._flows.address.name} at {self._flows.target}>"

    def _check_open(self) -> None:
        if self._is_closed:
            raise RequestError("this client is closed")
