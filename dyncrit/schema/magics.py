"""Reads the magics out of CRIU's ``magic.h`` (``include/image.h`` up to v1.4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dyncrit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NOT_IMAGES = frozenset({"RAW_IMAGE", "IMG_COMMON", "IMG_SERVICE", "KDAT"})
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)_MAGIC(?:[ \t]|\\\r?\n)+\(?[ \t]*(\w+)", re.MULTILINE)
_MAX_SIZE = 1 << 20


def read_magics(path: Path) -> dict[str, int]:
    """The image magics that a header defines, by name without ``_MAGIC``, in the header's order.

    Raw images, heads and names defined through one that is unknown are left out. Raises SchemaError
    if the header can't be read.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_SIZE).decode("utf-8", "replace")
    except OSError as error:
        raise SchemaError(error.strerror or str(error), str(path)) from error
    return parse_magics(text)


def parse_magics(text: str) -> dict[str, int]:
    r"""The image magics in the text of a header.

    >>> parse_magics("#define CORE_MAGIC 0x55053847\n#define OLD_MAGIC CORE_MAGIC")
    {'CORE': 1426405447, 'OLD': 1426405447}
    """
    magics: dict[str, int] = {}
    for name, value in _DEFINE.findall(re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)):
        number = _value(value, magics)
        if number and name not in _NOT_IMAGES:
            magics.setdefault(name, number)
    return magics


def _value(text: str, magics: Mapping[str, int]) -> int | None:
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}[uU]?[lL]{0,2}", text):
        return int(text.rstrip("uUlL"), 16)
    return magics.get(text.removesuffix("_MAGIC"))
