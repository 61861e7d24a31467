"""Writes a schema out as .proto files that protoc compiles to the same descriptors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.errors import SchemaError
from dyncrit.schema.files import OptionReader, normalised, schema_files
from dyncrit.schema.folder import check_names, write_folder
from dyncrit.schema.pool import parse_descriptor_set
from dyncrit.schema.protoc import compile_protos
from dyncrit.schema.prototext import proto_text
from dyncrit.schema.prototree import ProtoTree

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from dyncrit.schema.schema import SchemaSource


def export_protos(
    source: SchemaSource, folder: str | os.PathLike[str], *, use_cache: bool = True
) -> list[str]:
    """Write the .proto files of the schema from ``source`` to ``folder``, which is new or empty.

    Gives the names of the files. They are compiled before they are written. Raises SchemaError for a schema
    that can't be told as proto2 text, DyncritError for a folder that holds something, and OSError.
    """
    files = proto_files(schema_files(source, use_cache=use_cache), source.name)
    write_folder(Path(folder), files)
    return list(files)


def proto_files(files: Sequence[FileDescriptorProto], place: str) -> dict[str, bytes]:
    """The text of each file, by name, compiled to see that it says the same; errors name ``place``."""
    try:
        options = OptionReader(files, place)
        texts = {file.name: proto_text(file, options).encode() for file in files}
        check_names(texts)
    except SchemaError as error:
        raise error if error.place[:1] == (place,) else error.within(place) from None
    _check(files, texts, options, place)
    return texts


def _check(
    files: Sequence[FileDescriptorProto], texts: Mapping[str, bytes], options: OptionReader, place: str
) -> None:
    tree = ProtoTree(Path(place), tuple(texts), dict(texts), None)
    compiled = {file.name: file for file in parse_descriptor_set(compile_protos(tree), place)}
    for file in files:
        written = compiled.get(file.name)
        if written is None or normalised(written, options) != normalised(file, options):
            problem = f"{file.name} can't be told as proto2 text: it would compile to something else"
            raise SchemaError(problem, place)
