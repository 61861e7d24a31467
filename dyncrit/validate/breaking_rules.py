"""The rules about what may change between two schemas, by the levels that buf calls WIRE and WIRE_JSON.

Ids that begin with ``wire-`` are about images themselves, those with ``json-`` about documents of them (and
programs that name fields), those with ``added-`` only tell what is new.
"""

from __future__ import annotations

from dyncrit.findings import Rule

MESSAGE_REMOVED = Rule(
    "wire-message-removed",
    "error",
    "no message is removed",
    "Images with such records can't be read with this schema any more.",
)
FIELD_REMOVED = Rule(
    "wire-field-removed",
    "error",
    "no field is removed",
    "What older images hold in it is ignored by a restore, without a word.",
)
FIELD_RENUMBERED = Rule(
    "wire-field-renumbered",
    "error",
    "no field gets another number",
    "Older images' values of the field are not found, and theirs under the new number are misread.",
)
NUMBER_REUSED = Rule(
    "wire-number-reused",
    "error",
    "no number is given to another field",
    "Older images' values are read as something that they are not.",
)
FIELD_RETYPED = Rule(
    "wire-field-retyped",
    "error",
    "no field gets a type that stands otherwise on the wire",
    "Older images no longer parse, or lose the field.",
)
FIELD_REQUIRED = Rule(
    "wire-field-required",
    "error",
    "no required field is added to a message that exists, and no field becomes required",
    "Images without the field no longer parse: those of every older release (as in criu#2128).",
)
FIELD_LABEL = Rule(
    "wire-field-label",
    "error",
    "no field changes between one value and a list",
    "Readers of either age keep one value of the list, or misread packed ones.",
)
FIELD_LESS_REQUIRED = Rule(
    "wire-field-less-required",
    "warning",
    "no required field becomes optional",
    "Older releases don't parse images in which the field is left out.",
)
DEFAULT = Rule(
    "wire-default",
    "error",
    "no field gets another default",
    "Images that leave the field out mean another value than when they were written.",
)
ENUM_REMOVED = Rule(
    "wire-enum-removed",
    "error",
    "no enum is removed",
    "Older images' values have no names, and fields of that type change theirs.",
)
VALUE_REMOVED = Rule(
    "wire-enum-value-removed",
    "error",
    "no value of an enum is removed",
    "CRIU has no case for the number in older images; other readers lose the field.",
)
VALUE_RENUMBERED = Rule(
    "wire-enum-value-renumbered",
    "error",
    "no value of an enum gets another number",
    "Older images' values are read as others.",
)
MAGIC_REMOVED = Rule(
    "wire-magic-removed", "error", "no magic is removed", "Images of that type are no longer recognised."
)
MAGIC_CHANGED = Rule(
    "wire-magic-changed",
    "error",
    "no magic gets another value",
    "Older images of that type are no longer recognised.",
)
FIELD_WIDTH = Rule(
    "json-field-type",
    "warning",
    "no field changes its type, even to one that is the same on the wire",
    "Values that don't fit are cut by readers of the other age, and documents show them otherwise.",
)
FIELD_RENAMED = Rule(
    "json-field-renamed",
    "warning",
    "no field is renamed",
    "JSON documents with the old name can't be encoded, and programs that use it fail to build.",
)
MESSAGE_RENAMED = Rule(
    "json-message-renamed",
    "warning",
    "no message or enum is renamed",
    "Programs that use the old name fail to build; images and documents stay as they are.",
)
VALUE_RENAMED = Rule(
    "json-enum-value-renamed",
    "warning",
    "no value of an enum is renamed",
    "JSON documents with the old name can't be encoded.",
)
OPTIONS_CHANGED = Rule(
    "json-options",
    "warning",
    "no (criu) option of a field changes",
    "Pretty documents show the field otherwise than those of older releases.",
)
MAGIC_RENAMED = Rule(
    "json-magic-renamed",
    "warning",
    "no magic is renamed",
    'JSON documents with the old name under "magic" can\'t be encoded.',
)
MESSAGE_ADDED = Rule(
    "added-message",
    "note",
    "messages are those of the baseline",
    "Nothing breaks: older releases write none of them.",
)
FIELD_ADDED = Rule(
    "added-field",
    "note",
    "fields are those of the baseline",
    "Older releases ignore the field; older images don't have it.",
)
VALUE_ADDED = Rule(
    "added-enum-value",
    "note",
    "values of enums are those of the baseline",
    "Older releases have no case for the value, and readers of their schema lose the field.",
)
MAGIC_ADDED = Rule(
    "added-magic",
    "note",
    "magics are those of the baseline",
    "Older releases don't know images of that type.",
)
PLUGIN_MISSING = Rule(
    "plugin-missing",
    "note",
    "the schemas of plugins are there",
    "Images that the plugin writes can't be decoded with this schema alone.",
)

RULES = (
    MESSAGE_REMOVED,
    FIELD_REMOVED,
    FIELD_RENUMBERED,
    NUMBER_REUSED,
    FIELD_RETYPED,
    FIELD_REQUIRED,
    FIELD_LABEL,
    FIELD_LESS_REQUIRED,
    DEFAULT,
    ENUM_REMOVED,
    VALUE_REMOVED,
    VALUE_RENUMBERED,
    MAGIC_REMOVED,
    MAGIC_CHANGED,
    FIELD_WIDTH,
    FIELD_RENAMED,
    MESSAGE_RENAMED,
    VALUE_RENAMED,
    OPTIONS_CHANGED,
    MAGIC_RENAMED,
    MESSAGE_ADDED,
    FIELD_ADDED,
    VALUE_ADDED,
    MAGIC_ADDED,
    PLUGIN_MISSING,
)
