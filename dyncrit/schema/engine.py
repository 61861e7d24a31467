"""protobuf's run-time: descriptor pools and message classes.

They come straight from protobuf's C module where it can be had: the public modules for them import the
whole pure-Python implementation as well, which takes longer than decoding an image.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

_c_module: Any = None
if os.environ.get("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "upb") == "upb":  # what protobuf itself asks
    with suppress(ImportError):
        from google._upb import _message as _c_module


def new_pool() -> DescriptorPool:
    """An empty descriptor pool."""
    if _c_module is not None:
        pool: DescriptorPool = _c_module.DescriptorPool()
        return pool
    from google.protobuf import descriptor_pool

    return descriptor_pool.DescriptorPool()


def message_class(descriptor: Descriptor) -> type[Message]:
    """The class of a message type, always the same one for the same descriptor."""
    if _c_module is not None:
        from google.protobuf.message import Message

        namespace: dict[str, Any] = {"DESCRIPTOR": descriptor, "__module__": None}
        made: type[Message] = _c_module.MessageMeta(descriptor.name, (Message,), namespace)
        return made
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(descriptor)


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether a field is a list; protobuf tells it in one way up to 5.x and in another from 7.0 on."""
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(getattr(field, "label") == _LABEL_REPEATED)  # noqa: B009 (gone in protobuf 7)


def is_required(field: FieldDescriptor) -> bool:
    """Whether a message lacks something without a field."""
    if hasattr(field, "is_required"):
        return bool(field.is_required)
    return bool(getattr(field, "label") == _LABEL_REQUIRED)  # noqa: B009 (gone in protobuf 7)


_LABEL_REQUIRED, _LABEL_REPEATED = 2, 3  # of FieldDescriptorProto
