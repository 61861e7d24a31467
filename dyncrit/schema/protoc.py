"""Compiles .proto files at run time, with grpcio-tools' protoc in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from dyncrit.errors import SchemaError

if TYPE_CHECKING:
    from dyncrit.schema.prototree import ProtoTree

_TIMEOUT = 120
_MAX_ERRORS = 5

# protoc is called by a child process, whose stderr is ours to read: first on all files at once, and if that
# fails (enum values that clash between files which never import each other) on each file alone.
_CHILD = """
import sys
from importlib.resources import files
from grpc_tools import protoc
output, count = sys.argv[1], int(sys.argv[2])
options = ["protoc", "--include_imports", f"-I{files('grpc_tools') / '_proto'}", *sys.argv[3:3 + count]]
names = sys.argv[3 + count:]
if len(names) > 1 and protoc.main([*options, f"-o{output}/all", *names]) == 0:
    sys.exit(0)
sys.stderr.write("--\\n")
sys.stderr.flush()
sys.exit(max(protoc.main([*options, f"-o{output}/{i}", name]) for i, name in enumerate(names)))
"""


def compile_protos(tree: ProtoTree) -> bytes:
    """A serialised FileDescriptorSet of all files of ``tree`` and what they import.

    Raises SchemaError with what protoc says of the files: name, line, column and reason.
    """
    with tempfile.TemporaryDirectory(prefix="dyncrit-protoc-") as output:
        folders = [f"-I{folder.resolve()}" for folder in tree.folders]
        child = [sys.executable, "-c", _CHILD, output, str(len(folders)), *folders, *tree.files]
        try:
            result = subprocess.run(  # noqa: S603 (our own interpreter, no shell)
                child, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SchemaError(f"protoc took over {_TIMEOUT} s", str(tree.folders[0])) from error
        if result.returncode:
            raise SchemaError(_findings(result.stderr.decode("utf-8", "replace")), str(tree.folders[0]))
        return _merge(sorted(Path(output).iterdir()))


def _findings(stderr: str) -> str:
    """Protoc's errors on single files in one line, without its warnings."""
    lines = dict.fromkeys(line.strip() for line in stderr.partition("--\n")[2].splitlines())
    errors = [line for line in lines if line and not re.search(r"\bwarning:|^\[libprotobuf WARNING", line)]
    more = len(errors) - _MAX_ERRORS
    shown = errors[:_MAX_ERRORS] + ([f"and {more} more errors"] if more > 0 else [])
    return "; ".join(shown) or "protoc failed and did not say why"


def _merge(parts: list[Path]) -> bytes:
    if len(parts) == 1:
        return parts[0].read_bytes()
    merged = FileDescriptorSet()
    seen: set[str] = set()
    for part in parts:
        for file in FileDescriptorSet.FromString(part.read_bytes()).file:
            if file.name not in seen:
                seen.add(file.name)
                merged.file.append(file)
    return merged.SerializeToString(deterministic=True)
