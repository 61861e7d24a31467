"""Types that several rooms of the package speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    class DynamicMessage(Message):
        """A protobuf message whose fields are known only at run time."""

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...


ByteOrder = Literal["little", "big"]

Json: TypeAlias = "bool | int | float | str | list[Any] | dict[str, Any] | None"
"""A JSON value; payloads too large for memory stand in it as a :class:`Blob`."""

JsonObject: TypeAlias = "dict[str, Any]"


class Blob(Protocol):
    """Bytes that may be too many for memory: their number, and themselves in pieces."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in order, in pieces of a few MiB at most."""
