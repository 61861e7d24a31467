"""Compiles a schema for validation: with the line of every element, and all that protoc finds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from dyncrit.findings import Finding, Rule
from dyncrit.schema.pool import build_pool
from dyncrit.schema.protoc import BETWEEN, FOLDER, run_protoc
from dyncrit.schema.schema import Schema, SchemaSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.schema.table import ImageTable
    from dyncrit.validate.source import SchemaFiles

COMPILES = Rule(
    "schema-compiles",
    "error",
    "every .proto file compiles, and all of them fit together",
    "Neither CRIU builds nor can any tool read its images with this schema.",
)
ONE_POOL = Rule(
    "schema-one-pool",
    "warning",
    "no two files define the same name",
    "Programs that load all files at once (protoc in one call, pycriu, protobuf's pools) refuse the second.",
)
PROTOC_WARNINGS = Rule(
    "schema-protoc-warning",
    "note",
    "protoc has nothing to remark",
    "Nothing breaks; protoc says so at every build.",
)
RULES = (COMPILES, ONE_POOL, PROTOC_WARNINGS)

_MAX_FINDINGS = 200

_LINE = re.compile(r"(?P<file>.+?\.proto):(?:(?P<line>\d+):\d+:)? *(?P<warning>warning: *)?(?P<message>\S.*)")
_LOG = re.compile(r"^\[libprotobuf|^[IWEF]\d{4} |^WARNING: All log messages")
_EXPLANATIONS = ("Note that enum values use C++ scoping rules",)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What compiling gave: the files with their source information, none where it failed, and findings."""

    files: tuple[FileDescriptorProto, ...]
    findings: tuple[Finding, ...]


def compile_files(source: SchemaFiles) -> Compiled:
    """Compile a schema; what is wrong with it is findings, each with file and line.

    Raises SchemaError only where protoc can't be run to its end.
    """
    made = run_protoc(source.tree, source.name, source_info=True)
    return Compiled(made.files, tuple(_findings(made.said, source, failed=made.failed)))


def load_schema(compiled: Compiled, source: SchemaFiles, table: ImageTable) -> Schema:
    """The schema of compiled files, to read images with; magics of ``magic.h`` are added to ``table``.

    Raises SchemaError where the files don't fit into one pool.
    """
    copies = [_copy(file) for file in compiled.files]  # a pool may rename what clashes
    header = source.tree.magic_header
    if header:
        from dyncrit.validate.header import HEADS

        magics: dict[str, int] = {}
        for define in source.defines:
            if define.name not in HEADS:
                magics.setdefault(define.name, define.value)
        table = table.with_magics(magics)
    return Schema(build_pool(copies, source.name), SchemaSource("protos", source.name, header), table)


def _copy(file: FileDescriptorProto) -> FileDescriptorProto:
    copy = FileDescriptorProto()
    copy.CopyFrom(file)
    copy.ClearField("source_code_info")
    return copy


def _findings(stderr: str, source: SchemaFiles, *, failed: bool) -> list[Finding]:
    """Errors of single files where there are some, else what is wrong only with all files at once."""
    together, between, alone = stderr.partition(f"{BETWEEN}\n")
    rule = COMPILES if failed else ONE_POOL
    found = dict.fromkeys(_parse(alone if failed and between else together, source, rule))
    findings = list(found)
    if failed and not any(finding.rule is COMPILES for finding in findings):
        findings.append(Finding.of(COMPILES, "protoc failed and did not say why"))
    return findings[:_MAX_FINDINGS]


def _parse(stderr: str, source: SchemaFiles, rule: Rule) -> Iterator[Finding]:
    for line in stderr.splitlines():
        text = line.strip().removeprefix(f"{FOLDER}/")
        if not text or _LOG.search(text):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            if rule is COMPILES:
                yield Finding.of(rule, text)
            continue
        message = match["message"].rstrip(".")
        if message.startswith(_EXPLANATIONS):
            continue
        found = PROTOC_WARNINGS if match["warning"] else rule
        path = source.paths.get(match["file"], match["file"])
        yield Finding.of(found, message, path, line=int(match["line"]) if match["line"] else None)
