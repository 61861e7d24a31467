"""Values at which programs go wrong: the ends of ranges, and texts that mean something to somebody."""

from __future__ import annotations

from google.protobuf.descriptor import FieldDescriptor

_ENDS = (1 << 7, 1 << 8, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 63, 1 << 64)
_PAGES = (1 << 12, 1 << 14, 1 << 16, 1 << 21, 1 << 47)
INTEGERS: tuple[int, ...] = tuple(
    sorted(
        {0, 1, 2, *(end + step for end in (*_ENDS, *_PAGES) for step in (-1, 0, 1) if end + step < 1 << 64)}
    )
)
"""Numbers of up to 64 bits: the ends of integer types and of pages, and their neighbours."""

BITS = {
    FieldDescriptor.TYPE_BOOL: 1,
    FieldDescriptor.TYPE_ENUM: 32,
    FieldDescriptor.TYPE_INT32: 32,
    FieldDescriptor.TYPE_UINT32: 32,
    FieldDescriptor.TYPE_SINT32: 32,
    FieldDescriptor.TYPE_FIXED32: 32,
    FieldDescriptor.TYPE_SFIXED32: 32,
    FieldDescriptor.TYPE_INT64: 64,
    FieldDescriptor.TYPE_UINT64: 64,
    FieldDescriptor.TYPE_SINT64: 64,
    FieldDescriptor.TYPE_FIXED64: 64,
    FieldDescriptor.TYPE_SFIXED64: 64,
}
"""The width of each integer type; others have none."""

TEXTS: tuple[bytes, ...] = (
    b"",
    b"/",
    b".",
    b"..",
    b"../../../../../../etc/passwd",
    b"/" * 64,
    b"/" + b"a" * 255,
    b"/a" * 2048,
    b"A" * 4096,
    b"A" * 65536,
    b"a\0b",
    b"\0abstract",
    b"%s%s%s%n",
    b"a\nb",
    b"\x1b[2J",
    b"$(id)",
    b" (deleted)",
    b"/dev/null",
    b"/proc/self/mem",
    "\u202e\u0130\U0001f9ea".encode(),
)
"""Texts, all UTF-8: long ones, paths that lead elsewhere, and those that terminals and shells act on."""

NOT_UTF8: tuple[bytes, ...] = (
    b"\xff",
    b"\xc0\x80",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"a\x80b",
    b"\xfe\xff",
)
"""Bytes that aren't UTF-8: over-long forms, surrogates, cut off, beyond the last character."""
