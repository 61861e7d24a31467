"""Compiles .proto files at run time, with grpcio-tools' protoc in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from dyncrit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.schema.prototree import ProtoTree

_TIMEOUT = 120
_MAX_ERRORS = 5

FOLDER = "protos"
"""What protoc calls the folder of the files, in what it says."""

BETWEEN = "--"
"""The line between what protoc says of all files at once, and what it says of each alone."""
_NOISE = re.compile(r"\bwarning:|^\[libprotobuf WARNING|^[IW]\d{4} |^WARNING: All log messages")

# protoc is called by a child process, whose stderr is ours to read: first on all files at once, and if that
# fails (enum values that clash between files which never import each other) on each file alone. The child
# works in a temporary folder with copies of the files, so that no name of theirs can be taken for an option.
_CHILD = f"""
import sys
from importlib.resources import files
from grpc_tools import protoc
options = ["protoc", "--include_imports", f"-I{{files('grpc_tools') / '_proto'}}", "-I{FOLDER}"]
if sys.argv[1] == "info":
    options.append("--include_source_info")
names = [f"{FOLDER}/{{name}}" for name in sys.argv[2:]]
if protoc.main([*options, "-oall", *names]) == 0:
    sys.exit(0)
sys.stderr.write("{BETWEEN}\\n")
sys.stderr.flush()
sys.exit(max(protoc.main([*options, f"-o{{i}}", name]) for i, name in enumerate(names)))
"""


class Compilation(NamedTuple):
    """What protoc gave: the files and those that they import, none if it ``failed``; and what it said."""

    files: tuple[FileDescriptorProto, ...]
    said: str
    failed: bool


def compile_protos(tree: ProtoTree) -> bytes:
    """A serialised FileDescriptorSet of the files of ``tree`` and what they import.

    Raises SchemaError with what protoc says of the files: name, line, column and reason.
    """
    made = run_protoc(tree, str(tree.folder))
    if made.failed:
        raise SchemaError(_findings(made.said), str(tree.folder))
    return FileDescriptorSet(file=made.files).SerializeToString(deterministic=True)


def run_protoc(tree: ProtoTree, place: str, *, source_info: bool = False) -> Compilation:
    """Compile files, with where each thing stands in them if ``source_info``.

    Raises SchemaError, about ``place``, only where protoc can't be run to its end.
    """
    with tempfile.TemporaryDirectory(prefix="dyncrit-protoc-") as work:
        for name, content in tree.files.items():
            path = Path(work, FOLDER, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        child = [sys.executable, "-P", "-c", _CHILD, "info" if source_info else "plain", *tree.names]
        try:
            result = subprocess.run(  # noqa: S603 (our own interpreter, no shell)
                child,
                cwd=work,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SchemaError(f"protoc took over {_TIMEOUT} s", place) from error
        said = result.stderr.decode("utf-8", "replace")
        if result.returncode:
            return Compilation((), said, failed=True)
        made = sorted(path for path in Path(work).iterdir() if path.is_file())
        return Compilation(tuple(_merged(made)), said, failed=False)


def _findings(stderr: str) -> str:
    """The errors that protoc finds in single files, in one line, without its warnings."""
    before, _, single = stderr.partition(f"{BETWEEN}\n")
    lines = dict.fromkeys(line.strip().removeprefix(f"{FOLDER}/") for line in (single or before).splitlines())
    errors = [line for line in lines if line and not _NOISE.search(line)]
    more = len(errors) - _MAX_ERRORS
    shown = errors[:_MAX_ERRORS] + ([f"and {more} more errors"] if more > 0 else [])
    return "; ".join(shown) or "protoc failed and did not say why"


def _merged(parts: list[Path]) -> Iterator[FileDescriptorProto]:
    seen: set[str] = set()
    for part in parts:
        for file in FileDescriptorSet.FromString(part.read_bytes()).file:
            if file.name not in seen:
                seen.add(file.name)
                yield file
