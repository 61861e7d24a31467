"""Documents in protobuf's own JSON mapping, as go-criu's crit writes them.

Names are in camelCase and all bytes in base64; 64-bit integers are strings, which every codec reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dyncrit.codec.render import parse_base64
from dyncrit.errors import DocumentError

if TYPE_CHECKING:
    from dyncrit.codec.plan import FieldPlan, MessagePlan
    from dyncrit.types import JsonObject


def is_protojson(document: object) -> bool:
    """Whether a document, of whatever message, has names in camelCase, which CRIU's own fields never are.

    >>> is_protojson({"id": 1, "fown": {"pidType": 0}}), is_protojson({"id": 1, "fown": {"pid_type": 0}})
    (True, False)
    """
    if isinstance(document, dict):
        return any(
            key != key.lower() or is_protojson(value) for key, value in document.items() if key[:1] != "@"
        )
    return isinstance(document, list) and any(map(is_protojson, document))


def uses_json_names(plan: MessagePlan, document: object) -> bool:
    """Whether a document has a field of the message, or of one below it, under its camelCase name."""
    if not isinstance(document, dict):
        return False
    json_names = {field.json_name for field in plan.fields}
    for key, value in document.items():
        field = plan.by_name.get(key)
        if field is None and key in json_names:
            return True
        if field is not None and field.message is not None:
            items = value if isinstance(value, list) else [value]
            if any(uses_json_names(field.message, item) for item in items):
                return True
    return False


def from_protojson(plan: MessagePlan, document: JsonObject) -> JsonObject:
    """The document with the names that fields have in the .proto files; unknown keys are left as they are."""
    by_json_name = {field.json_name: field for field in plan.fields}
    renamed: JsonObject = {}
    for key, value in document.items():
        field = plan.by_name.get(key) or by_json_name.get(key)
        renamed[field.name if field else key] = _value(field, value) if field else value
    return renamed


def _value(field: FieldPlan, value: Any) -> Any:
    if isinstance(value, list):
        return [_value(field, item) for item in value]
    if field.message is not None and isinstance(value, dict):
        return from_protojson(field.message, value)
    if field.show_loses and isinstance(value, str):  # shown as text elsewhere, as base64 here
        try:
            return parse_base64(value)
        except ValueError as error:
            raise DocumentError(f"bad base64: {error}", field.name) from error
    return value
