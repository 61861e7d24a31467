"""Writes ``.pyi`` files for a schema's messages, for editors and type checkers."""

from __future__ import annotations

import json
import keyword
import re
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from dyncrit.errors import SchemaError
from dyncrit.schema.files import all_messages, map_entries, schema_files
from dyncrit.schema.folder import write_folder

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

    from dyncrit.schema.schema import SchemaSource

_PYTHON_TYPES = {
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_STRING: "str",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_FLOAT: "float",
    FieldDescriptorProto.TYPE_DOUBLE: "float",
}
_COMPOSITE = (FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_GROUP)
_OPTIONS_FILE = "opts.proto"
# Imported under other names than their own, since a field may have those (``bytes`` of pipe_data_entry).
_HEAD = """\
import builtins as _b
import typing as _t
from google.protobuf import message as _message
from google.protobuf.internal import containers as _containers
"""


def write_stubs(source: SchemaSource, folder: str | os.PathLike[str], *, use_cache: bool = True) -> list[str]:
    """Write a package of stubs for the schema from ``source`` to ``folder``, which is new or empty.

    Its name is the folder's; gives the names of the files: one for each .proto file. Raises SchemaError for a
    schema whose names Python can't have, DyncritError for a folder that holds something, and OSError.
    """
    files = stub_files(schema_files(source, use_cache=use_cache), source.name)
    write_folder(Path(folder), files)
    return list(files)


def stub_files(files: Sequence[FileDescriptorProto], name: str) -> dict[str, bytes]:
    """The text of each stub by its file name; ``name`` tells in them whose schema it is."""
    shown = [file for file in files if file.name != _OPTIONS_FILE]
    modules = _module_names(shown)
    homes = _homes(shown, modules)
    about = " ".join(name.split()).encode("unicode_escape").decode("ascii")
    texts = {"__init__.pyi": f"# Messages of {about}, for type checkers only: there is nothing to run.\n"}
    for file in shown:
        lines = _Module(file, homes, modules[file.name]).lines()
        texts[f"{modules[file.name]}.pyi"] = "\n".join(lines) + "\n"
    return {path: text.encode() for path, text in texts.items()}


class _Module:
    """The stub of one .proto file. Other types are always named with their module's name in front."""

    def __init__(self, file: FileDescriptorProto, homes: Mapping[str, str], module: str) -> None:
        self.file = file
        self.homes = homes
        self.module = module

    def lines(self) -> Iterator[str]:
        """The lines of the stub, without their ends."""
        # a line break in a file's name would end the comment
        yield f"# From {ascii(self.file.name)[1:-1]}."
        yield ""
        yield _HEAD.rstrip()
        for module in sorted(self._modules()):
            yield f"from . import {module} as _{module}"
        for enum in self.file.enum_type:
            yield ""
            yield from _enum(enum, "")
        for message in self.file.message_type:
            yield ""
            yield from self._message(message, "")

    def _modules(self) -> set[str]:
        fields = (field for _, message in all_messages(self.file.message_type) for field in message.field)
        return {self._home(field).partition(".")[0] for field in fields if field.type_name}

    def _home(self, field: FieldDescriptorProto) -> str:
        home = self.homes.get(field.type_name)
        if home is None:
            raise SchemaError(
                f"{field.name} has the type {field.type_name!r}, which isn't there", self.file.name
            )
        return home

    def _message(self, message: DescriptorProto, indent: str) -> Iterator[str]:
        inner = f"{indent}    "
        yield f"{indent}class {_identifier(message.name, self.file)}(_message.Message):"
        for enum in message.enum_type:
            yield from _enum(enum, inner)
        maps = map_entries(message)
        for nested in message.nested_type:
            if nested.name not in maps:
                yield from self._message(nested, inner)
        fields = [field for field in message.field if _speakable(field.name)]
        for field in fields:
            yield from self._field(field, maps, inner)
        yield from self._constructor(fields, maps, inner)
        yield from _presence(message.field, inner)

    def _field(
        self, field: FieldDescriptorProto, maps: Mapping[str, DescriptorProto], indent: str
    ) -> Iterator[str]:
        kind = self._type(field)
        entry = maps.get(field.type_name.rpartition(".")[2])
        if entry is not None:
            key, value = (self._type(item) for item in entry.field)
            container = "MessageMap" if entry.field[1].type in _COMPOSITE else "ScalarMap"
            kind = f"_containers.{container}[{key}, {value}]"
        elif field.label == FieldDescriptorProto.LABEL_REPEATED:
            which = "Composite" if field.type in _COMPOSITE else "Scalar"
            kind = f"_containers.Repeated{which}FieldContainer[{kind}]"
        elif field.type not in _COMPOSITE:
            yield f"{indent}{field.name}: {kind}"
            return
        # protobuf doesn't let such fields be set as a whole
        yield f"{indent}@_b.property"
        yield f"{indent}def {field.name}(self) -> {kind}: ..."

    def _type(self, field: FieldDescriptorProto) -> str:
        if field.type_name:
            return f"_{self._home(field)}"
        return f"_b.{_PYTHON_TYPES.get(field.type, 'int')}"

    def _constructor(
        self, fields: Iterable[FieldDescriptorProto], maps: Mapping[str, DescriptorProto], indent: str
    ) -> Iterator[str]:
        parameters = [f"{field.name}: {self._argument(field, maps)} | None = ..." for field in fields]
        # positional-only, so that a field may be called self
        others = f", /, *, {', '.join(parameters)}" if parameters else ""
        yield f"{indent}def __init__(_self{others}) -> None: ..."

    def _argument(self, field: FieldDescriptorProto, maps: Mapping[str, DescriptorProto]) -> str:
        if field.type_name.rpartition(".")[2] in maps:
            return "_t.Mapping[_t.Any, _t.Any]"
        kind = self._type(field)
        if field.type in _COMPOSITE:
            kind = f"{kind} | _b.dict[_b.str, _t.Any]"
        return f"_t.Iterable[{kind}]" if field.label == FieldDescriptorProto.LABEL_REPEATED else kind


def _enum(enum: EnumDescriptorProto, indent: str) -> Iterator[str]:
    """An enum is a name for int; its values are constants beside it, as protobuf has them."""
    if _speakable(enum.name):
        yield f"{indent}{enum.name}: _t.TypeAlias = _b.int"
    for value in enum.value:
        if _speakable(value.name):
            yield f"{indent}{value.name}: _t.Final = {value.number}"


def _presence(fields: Iterable[FieldDescriptorProto], indent: str) -> Iterator[str]:
    """``HasField`` and ``ClearField`` take the names of fields that they work for, and no others."""
    fields = list(fields)
    single = [field.name for field in fields if field.label != FieldDescriptorProto.LABEL_REPEATED]
    for method, names, result in (
        ("HasField", single, "_b.bool"),
        ("ClearField", [field.name for field in fields], "None"),
    ):
        kind = f"_t.Literal[{', '.join(map(_literal, names))}]" if names else "_t.Never"
        yield f"{indent}def {method}(self, field_name: {kind}) -> {result}: ..."


def _literal(name: str) -> str:
    """A string of Python's, whatever stands in it."""
    return json.dumps(name)


def _speakable(name: str) -> bool:
    """Whether Python can say the name; a keyword is for getattr alone."""
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name)


def _identifier(name: str, file: FileDescriptorProto) -> str:
    if not _speakable(name):
        raise SchemaError(f"a message is called {name!r}, which Python can't say", file.name)
    return name


def _module_names(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """The module of each file: ``core-x86.proto`` is ``core_x86``."""
    names: dict[str, str] = {}
    for file in files:
        name = re.sub(r"\W", "_", file.name.removesuffix(".proto"), flags=re.ASCII)
        while not _speakable(name) or name in names.values() or name == "__init__":
            name = f"{name}_" if name.isidentifier() else f"file_{name}"
        names[file.name] = name
    return names


def _homes(files: Iterable[FileDescriptorProto], modules: Mapping[str, str]) -> dict[str, str]:
    """Where each type stands, by its name as fields have it: ``.core_entry`` is ``core.core_entry``."""
    homes: dict[str, str] = {}
    for file in files:
        prefix = f".{file.package}." if file.package else "."
        types = [(enum.name, enum.name) for enum in file.enum_type]
        for name, message in all_messages(file.message_type):
            types += [(name, name), *((f"{name}.{enum.name}",) * 2 for enum in message.enum_type)]
        homes.update((prefix + name, f"{modules[file.name]}.{place}") for name, place in types)
    return homes
