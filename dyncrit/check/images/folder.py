"""Rules on images as files: heads, names, and what stands beside them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.check.images.survey import survey
from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.release import guess_release
from dyncrit.codec.framing import default_framing, read_frame
from dyncrit.codec.source import Source
from dyncrit.errors import DyncritError
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context

BYTE_ORDER = Rule(
    "one-byte-order",
    "error",
    "all images are of one byte order",
    "A restore refuses those of the other order: to it they are no images.",
)
FRAMING = Rule(
    "one-framing",
    "error",
    "all images begin as the version of images in the inventory says",
    "A restore refuses the image: it doesn't begin as expected.",
)
RELEASE = Rule(
    "one-release",
    "warning",
    "all images can be of one release of CRIU",
    "They seem to be of several dumps; what a restore makes of the mixture is chance.",
)
TYPES = Rule(
    "image-types",
    "warning",
    "every .img file is called as CRIU calls images of its type",
    "A restore passes it over.",
)
NUMBERS = Rule(
    "image-numbers",
    "warning",
    "the numbers in names of images are written as CRIU writes them",
    "A restore passes it over: it opens the image by the other name.",
)
STRAYS = Rule(
    "stray-files",
    "note",
    "only images, and what is known to be beside them, are in the folder",
    "A restore passes it over.",
)

_V1 = 1  # img_version up to CRIU 1.5
_LEADING_ZERO = re.compile(r"(?<=-)0+(?=[0-9a-f]+(?:[.]|-))")
_PADDED = "amdgpu-"  # the plugin's numbers have leading zeros
_BESIDE = re.compile(
    r"parent|status|descriptors\.json|(?:config|spec|status)\.dump|criu\.(?:conf|kdat)|action-script.*"
    r"|.*\.(?:log|pid|sh|sock|socket)"
)


def _byte_order(context: Context) -> Iterator[Finding]:
    orders = {name: frame.byte_order for name, frame in survey(context).frames.items()}
    if len(set(orders.values())) > 1:
        expected = context.images.byte_order
        others = [name for name, order in orders.items() if order != expected]
        message = f"not {expected}-endian, as the inventory is{_count(len(others))}"
        yield Finding.of(BYTE_ORDER, message, others[0])


def _framing(context: Context) -> Iterator[Finding]:
    if context.inventory is None:
        return
    version = context.inventory.img_version
    found = {
        name: frame.framing
        for name, frame in survey(context).frames.items()
        if frame.framing != ("v1.0" if version == _V1 else default_framing(frame.image_type))
    }
    for name, framing in list(found.items())[:1]:
        expected = "v1.0" if version == _V1 else default_framing(survey(context).frames[name].image_type)
        message = f"its head is of the kind {framing}, expected {expected} of images of version {version}"
        yield Finding.of(FRAMING, f"{message}{_count(len(found))}", name)


def _release(context: Context) -> Iterator[Finding]:
    problems = Problems()
    guess_release(ImageSet(context.images.tree, context.images.schema, problems))
    for problem in problems:
        if not problem.place:
            yield Finding.of(RELEASE, problem.text)


def _types(context: Context) -> Iterator[Finding]:
    for name in sorted(context.names):
        if name.endswith(".img") and not _is_known(context, name):
            yield Finding.of(TYPES, _what(context, name), name)


def _numbers(context: Context) -> Iterator[Finding]:
    for name in sorted(context.names):
        wanted = _LEADING_ZERO.sub("", name)
        if wanted != name and _is_known(context, name) and not name.startswith(_PADDED):
            yield Finding.of(NUMBERS, f"expected {wanted}", name)


def _strays(context: Context) -> Iterator[Finding]:
    for name in sorted(context.names):
        if not name.endswith(".img") and not _is_known(context, name) and not _BESIDE.fullmatch(name):
            yield Finding.of(STRAYS, "no image, and nothing that is known to be beside images", name)


def _is_known(context: Context, name: str) -> bool:
    table = context.images.schema.table
    return table.by_file_name(name) is not None or table.raw_by_file_name(name) is not None


def _what(context: Context, name: str) -> str:
    """What a file of an unknown name is."""
    images = context.images
    try:
        with images.tree.open(name) as file:
            frame = read_frame(Source(file, name), images.schema.table, name)
    except DyncritError as error:
        return f"no image of CRIU is called so; it is {error.problem}"
    except OSError as error:
        return f"no image of CRIU is called so; {error.strerror or error}"
    if not frame.image_type.files and frame.image_type.name.startswith("0x"):
        return f"no image of CRIU is called so, and none has the magic {frame.image_type.name}"
    wanted = " or ".join(frame.image_type.files)
    return f"an image of type {frame.image_type.name} is called {wanted or 'otherwise'}"


def _count(number: int) -> str:
    return "" if number == 1 else f"; and so are {number - 1} more"


CHECKS: tuple[Check, ...] = (
    Check(BYTE_ORDER, _byte_order),
    Check(FRAMING, _framing),
    Check(RELEASE, _release),
    Check(TYPES, _types),
    Check(NUMBERS, _numbers),
    Check(STRAYS, _strays),
)
