from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

import dyncrit
from dyncrit.convert import DecodeOptions, decode_image, encode_document
from dyncrit.errors import DocumentError, ImageError, RawImageError, SchemaError
from dyncrit.schema import Schema

PSTREE = {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1, 2]}
DOCUMENT = {"magic": "PSTREE", "entries": [PSTREE, {**PSTREE, "pid": 2}]}


def decode(data: bytes, name: str = "x.img", **options: Any) -> bytes:
    output = io.BytesIO()
    assert decode_image(io.BytesIO(data), name, output, Schema.default(), DecodeOptions(**options)) == []
    return output.getvalue()


def encode(text: str | bytes, name: str = "x.json", **options: Any) -> bytes:
    output = io.BytesIO()
    document = io.BytesIO(text.encode() if isinstance(text, str) else text)
    encode_document(document, name, output, Schema.default(), **options)
    return output.getvalue()


IMAGE = encode(json.dumps(DOCUMENT))


def refused(text: str | bytes, **options: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        encode(text, **options)
    message = str(caught.value)
    assert message.startswith("x.json: ")
    assert "\n" not in message
    return message.removeprefix("x.json: ")


def of_crit(release: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    documents = Path(__file__).with_name("data") / "crit-4.2.ndjson.gz"
    with gzip.open(documents, "rt") as lines:
        found = map(json.loads, lines)
        return [
            (item["image"], item["plain"], item["pretty"])
            for item in found
            if item["image"].startswith(release) and item.get("plain") and not item.get("error")
        ]


@pytest.mark.parametrize("format_", ["json", "ndjson"])
@pytest.mark.parametrize("pretty", [False, True])
def test_every_image_comes_back_byte_for_byte(images: list[Path], format_: str, pretty: bool) -> None:
    count = 0
    for path in images:
        data = path.read_bytes()
        try:
            document = decode(data, path.name, pretty=pretty, format=format_)
        except RawImageError:
            continue
        assert encode(document) == data, path
        count += 1
    assert count > 200


# CRIT loses the head of images older than v1.6, bytes that aren't UTF-8, and a payload that isn't there.
@pytest.mark.parametrize("release", ["criu-4.2", "demo"])
def test_crits_documents_encode_to_the_image_they_were_made_of(data: Path, release: str) -> None:
    lossy = {"criu-4.2/programs/pytree/files.img", "criu-4.2/programs/uns-ipc/ipcns-shm-11.img"}
    documents = [item for item in of_crit(release) if item[0] not in lossy]
    assert documents
    for name, plain, pretty in documents:
        image = (data / name).read_bytes()
        assert encode(json.dumps(plain, indent=4)) == image, name
        assert encode(json.dumps(pretty)) == image, name
        assert encode(json.dumps(plain, sort_keys=True)) == image, name


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(DOCUMENT),
        json.dumps(DOCUMENT, indent=4),
        json.dumps(DOCUMENT, indent=4).replace(",\n", ", \n"),
        json.dumps(DOCUMENT, separators=(",", ":")),
        json.dumps(DOCUMENT, sort_keys=True, indent=2),
        json.dumps({"entries": DOCUMENT["entries"], "magic": "PSTREE"}),
        json.dumps(
            {"magic": "PSTREE", "entries": [dict(reversed(item.items())) for item in DOCUMENT["entries"]]}
        ),
        json.dumps(DOCUMENT).replace(": 1,", ': "1",'),
        "\ufeff" + json.dumps(DOCUMENT),
        "\n  " + json.dumps(DOCUMENT) + "\n\n",
        "\n".join(map(json.dumps, [{"magic": "PSTREE", "@format": "ndjson"}, *DOCUMENT["entries"]])),
        "\r\n".join(map(json.dumps, [{"magic": "PSTREE", "@format": "ndjson"}, *DOCUMENT["entries"]])),
        "\n\n".join(map(json.dumps, [{"magic": "PSTREE", "@format": "ndjson"}, *DOCUMENT["entries"], ""]))[
            :-2
        ],
    ],
    ids=range(13),
)
def test_every_way_to_write_a_document_is_read(text: str) -> None:
    assert encode(text) == IMAGE


def test_go_crits_documents_are_read() -> None:
    """64-bit integers are strings there, and base64 has no line breaks."""
    data = bytes(range(256))
    image = dyncrit.Image.new("PIPES_DATA")
    image.add(data, pipe_id=1, bytes=len(data), size=4096)
    document = image.to_dict()
    document["entries"][0]["extra"] = document["entries"][0]["extra"].replace("\n", "")
    assert encode(json.dumps(document)) == dyncrit.dumps(image)
    numbers = dyncrit.Image.new("PAGEMAP")
    numbers.add(pages_id=1)
    numbers.add(vaddr=2**64 - 4096, compat_nr_pages=0, flags=4, nr_pages=2**40)
    document = numbers.to_dict()
    document["entries"][1].update(vaddr=str(2**64 - 4096), nr_pages=str(2**40))
    assert encode(json.dumps(document)) == dyncrit.dumps(numbers)


@pytest.mark.parametrize("format_", ["json", "ndjson"])
def test_an_image_without_entries_comes_back(format_: str) -> None:
    image = dyncrit.dumps(dyncrit.Image.new("PSTREE", framing="v1.0"))
    document = decode(image, format=format_)
    assert encode(document) == image


@pytest.mark.parametrize("indent", [None, 4])
def test_a_document_cut_at_any_byte_is_refused(indent: int | None) -> None:
    text = json.dumps(DOCUMENT, indent=indent).encode()
    for size in range(len(text)):
        refused(text[:size])


def test_an_image_cut_at_any_byte_is_refused_or_shorter() -> None:
    first = len(encode(json.dumps({**DOCUMENT, "entries": [PSTREE]})))
    for size in range(len(IMAGE)):
        if size in (8, first):  # where an entry ends, nothing tells that more were there
            assert encode(decode(IMAGE[:size])) == IMAGE[:size]
            continue
        with pytest.raises(ImageError) as caught:
            decode(IMAGE[:size])
        assert str(caught.value).startswith("x.img: ")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, 'no "magic"'),
        ({"entries": []}, 'no "magic"'),
        ({"magic": "PSTREE"}, 'no "entries"'),
        (
            {"magic": "PSTRE", "entries": []},
            "magic: no image type 'PSTRE' in the image table; did you mean PSTREE?",
        ),
        ({"magic": "pstree", "entries": []}, "magic: no image type 'pstree'"),
        ({"magic": None, "entries": []}, "magic: expected the name of an image type"),
        ({"magic": 7, "entries": []}, "magic: expected the name of an image type"),
        ({"magic": ["PSTREE"], "entries": []}, "magic: expected the name of an image type"),
        ({"magic": "", "entries": []}, "magic: "),
        ({"magic": "PSTREE", "entries": {}}, "expected a list of entries"),
        ({"magic": "PSTREE", "entries": None}, "expected a list of entries"),
        ({"magic": "PSTREE", "entries": "x"}, "expected a list of entries"),
        ({"magic": "PSTREE", "entries": [1]}, "entries[0]: expected an object"),
        ({"magic": "PSTREE", "entries": [PSTREE, None]}, "entries[1]: expected an object"),
        ({"magic": "PSTREE", "entries": [[PSTREE]]}, "entries[0]: expected an object"),
        ({"magic": "PSTREE", "entries": ["x", "y"]}, "entries[0]: expected an object"),
        ({"magic": "PSTREE", "entires": []}, "no key 'entires'; did you mean entries?"),
        ({"magic": "PSTREE", "@framing": "v2", "entries": []}, "@framing: expected one of"),
        ({"magic": "PSTREE", "@byte_order": "middle", "entries": []}, "@byte_order: expected one of"),
        (
            {"magic": "PSTREE", "entries": [{**PSTREE, "pdi": 3}]},
            "entries[0]: pstree_entry has no field 'pdi'; did you mean pid?",
        ),
        ({"magic": "PSTREE", "entries": [{**PSTREE, "pid": "x"}]}, "entries[0]: pid: "),
        ({"magic": "PSTREE", "entries": [{**PSTREE, "pid": 2**32}]}, "entries[0]: pid: "),
        ({"magic": "PSTREE", "entries": [{**PSTREE, "pid": 1.5}]}, "entries[0]: pid: "),
        ({"magic": "PSTREE", "entries": [{**PSTREE, "pid": 10**30}]}, "entries[0]: pid: "),
        ({"magic": "PSTREE", "entries": [{**PSTREE, "pid": -(10**30)}]}, "entries[0]: pid: "),
        ({"magic": "PSTREE", "entries": [{**PSTREE, "pid": None}]}, "entries[0]: pid: "),
        ({"magic": "PSTREE", "entries": [{**PSTREE, "threads": 1}]}, "entries[0]: threads: "),
        ({"magic": "PSTREE", "entries": [{**PSTREE, "threads": [1, "x"]}]}, "entries[0]: threads[1]: "),
        (
            {"magic": "PSTREE", "entries": [{**PSTREE, "extra": "YQ=="}]},
            "entries[0]: pstree_entry has no field 'extra'",
        ),
    ],
)
def test_a_wrong_document_is_refused_with_its_place(document: dict[str, Any], says: str) -> None:
    assert says in refused(json.dumps(document))
    assert says.split(";", maxsplit=1)[0] in refused(json.dumps(document, indent=2, sort_keys=True))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "[]",
        "null",
        '"PSTREE"',
        "1",
        "hello",
        json.dumps(DOCUMENT) + "x",
        json.dumps(DOCUMENT) + json.dumps(DOCUMENT),
        json.dumps(DOCUMENT).replace("}, {", "},, {"),
        json.dumps(DOCUMENT).replace("[{", "[,{"),
        json.dumps(DOCUMENT).replace("}]}", "},]}"),
        json.dumps(DOCUMENT).replace("[1, 2]", "[1, 2,]"),
        json.dumps(DOCUMENT).replace('"pid": 1', '"pid": NaN'),
        json.dumps(DOCUMENT).replace('"pid": 1', '"pid": Infinity'),
        json.dumps(DOCUMENT).replace('"pid": 1', '"pid": -Infinity'),
        json.dumps(DOCUMENT).replace('"pid": 1', '"pid": 1e400'),
        json.dumps(DOCUMENT).replace('"pid": 1', '"pid": 01'),
        json.dumps(DOCUMENT).replace('"pid": 1', '"pid": 0x1'),
        json.dumps(DOCUMENT).replace('"pid": 1', '"pid": ' + "9" * 5000),
        json.dumps(DOCUMENT).replace('"pid": 1', '"pid": ' + "[" * 100_000),
        json.dumps(DOCUMENT).replace('"pid": 1', '"pid": ' + "[" * 100_000 + "]" * 100_000),
        json.dumps(DOCUMENT).replace('"pid": 1', '"\\ud800": 1'),
        "[" * 100_000,
        '{"a":' * 100_000,
        "// a comment\n" + json.dumps(DOCUMENT),
        json.dumps(DOCUMENT).encode("utf-16"),
        json.dumps(DOCUMENT).encode().replace(b'"PSTREE"', b'"PSTREE\xff"'),
        json.dumps(DOCUMENT).encode().replace(b'"sid"', b'"s\xc3"'),
    ],
    ids=range(29),
)
def test_what_is_no_document_is_refused_in_a_line(text: str | bytes) -> None:
    assert len(refused(text)) < 400


def test_surrogate_escapes_bring_back_bytes_that_are_not_utf_8() -> None:
    lone = r'{"magic":"UTSNS","entries":[{"nodename":"a\udcff","domainname":"b"}]}'
    encoded = encode(lone)
    assert b"a\xff" in encoded
    assert json.loads(decode(encoded))["entries"][0]["nodename"] == "a\udcff"


@pytest.mark.parametrize("escape", [r"\ud800", r"\udc41", r"\udfff", r"\ud83d"])
def test_surrogates_that_stand_for_no_byte_are_refused(escape: str) -> None:
    document = f'{{"magic":"UTSNS","entries":[{{"nodename":"{escape}","domainname":"b"}}]}}'
    assert "entries[0]: nodename: " in refused(document)


def test_a_document_without_payloads_is_refused() -> None:
    image = dyncrit.Image.new("PIPES_DATA")
    image.add(b"abc", pipe_id=1, bytes=3, size=4096)
    document = decode(dyncrit.dumps(image), payloads=False)
    assert "... <3B>" in json.loads(document)["entries"][0]["extra"]
    assert "entries[0]: extra: " in refused(document)
    assert "--nopl" in refused(document)


def test_an_image_where_a_document_belongs_is_told_from_it(images: list[Path]) -> None:
    """Whatever byte its magic begins with."""
    for path in images:
        data = path.read_bytes()
        try:
            decode(data, path.name)
        except RawImageError:
            continue
        with pytest.raises(DocumentError, match=r"an image \(\w+\), not JSON; `dyncrit decode`"):
            encode(data, str(path))


@pytest.mark.parametrize("name", ["MM", "INOTIFY_WD", "PIDNS", "PSTREE"])
@pytest.mark.parametrize("framing", ["v1.0", "common"])
@pytest.mark.parametrize("order", ["little", "big"])
def test_an_empty_image_where_a_document_belongs_is_told_from_it(name: str, framing: str, order: str) -> None:
    image = dyncrit.dumps(dyncrit.Image.new(name, framing=framing, byte_order=order))
    assert refused(image).startswith(f"an image ({name}), not JSON; `dyncrit decode`")


@pytest.mark.parametrize("text", [json.dumps(DOCUMENT), "[]", " {}", "\ufeff" + json.dumps(DOCUMENT)])
def test_a_document_where_an_image_belongs_is_told_from_it(text: str) -> None:
    with pytest.raises(RawImageError, match="dyncrit encode"):
        decode(text.encode())


@pytest.mark.parametrize("pretty", [False, True])
@pytest.mark.parametrize("format_", ["json", "ndjson"])
def test_unknown_keys_are_passed_over_only_where_that_is_asked_for(pretty: bool, format_: str) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["entries"][0]["since_tomorrow"] = {"a": [1]}
    assert "since_tomorrow" in refused(json.dumps(document))
    assert encode(json.dumps(document), allow_unknown=True) == IMAGE


def test_an_unknown_message_is_named_with_its_nearest() -> None:
    with pytest.raises(SchemaError, match=r"no message 'pstree_entri'.*did you mean pstree_entry"):
        decode(IMAGE, as_message="pstree_entri")
    text = '{"magic":"","@message":"pstree_entri","entries":[]}'
    with pytest.raises(SchemaError, match="did you mean pstree_entry"):
        encode(text)


def test_a_document_of_another_message_comes_back() -> None:
    document = decode(IMAGE, as_message="fown_entry")
    assert json.loads(document)["@message"] == "fown_entry"
    assert encode(document) == IMAGE


# What --keep-going passes over.


def damaged(data: bytes, **options: Any) -> tuple[dict[str, Any], list[str]]:
    output = io.BytesIO()
    errors = decode_image(
        io.BytesIO(data), "x.img", output, Schema.default(), DecodeOptions(keep_going=True, **options)
    )
    return json.loads(output.getvalue()), errors


def test_keep_going_shows_an_error_where_the_file_ends() -> None:
    document, errors = damaged(IMAGE[:-3])
    assert document["entries"][0] == PSTREE
    assert list(document["entries"][1]) == ["@error"]
    assert errors == [f"x.img: {document['entries'][1]['@error']}"]
    assert document["entries"][1]["@error"].startswith("entry 1 at byte ")
    message = refused(json.dumps(document))
    assert message.startswith("entries[1]: ")
    assert document["entries"][1]["@error"] in message


@pytest.mark.parametrize("format_", ["json", "ndjson"])
def test_a_damaged_record_keeps_its_bytes_and_encodes_back(format_: str) -> None:
    records = [b"\x08\x01", b"\x08", b"\x0a\x7f", b"\x08\x02"]
    image = IMAGE[:8] + b"".join(len(record).to_bytes(4, "little") + record for record in records)
    output = io.BytesIO()
    options = DecodeOptions(keep_going=True, format=format_)
    errors = decode_image(io.BytesIO(image), "x.img", output, Schema.default(), options)
    assert [error.split(":")[1] for error in errors] == [" entry 1 at byte 14", " entry 2 at byte 19"]
    assert encode(output.getvalue()) == image
    if format_ == "json":
        entries = json.loads(output.getvalue())["entries"]
        assert [sorted(entry) for entry in entries[1:3]] == [["@bytes", "@error"]] * 2
        assert entries[0] == {"pid": 1}
        assert entries[3] == {"pid": 2}


def test_a_damaged_record_before_a_payload_encodes_back() -> None:
    image = dyncrit.Image.new("PIPES_DATA")
    image.add(b"abc", pipe_id=1, bytes=3, size=4096)
    data = bytearray(dyncrit.dumps(image))
    record = image.entries[0].record
    data[8:] = (len(record) + 1).to_bytes(4, "little") + record + b"\x08" + b"abc"
    document, errors = damaged(bytes(data))
    assert len(errors) == 1
    if "@bytes" in document["entries"][0]:
        assert encode(json.dumps(document)) == bytes(data)
    else:
        refused(json.dumps(document))


def test_keep_going_on_a_sound_image_changes_nothing() -> None:
    assert damaged(IMAGE) == (json.loads(decode(IMAGE)), [])


def test_without_keep_going_the_first_damaged_record_is_an_error() -> None:
    image = IMAGE[:8] + b"\1\0\0\0\x08" + b"\2\0\0\0\x0a\x7f"
    with pytest.raises(ImageError, match=r"^x\.img: entry 0 at byte 8: "):
        decode(image)


def test_a_pipe_is_read_as_a_file_is() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise io.UnsupportedOperation("seek")

    schema, output, again = Schema.default(), io.BytesIO(), io.BytesIO()
    decode_image(Pipe(IMAGE), "stdin", output, schema)
    encode_document(Pipe(output.getvalue()), "stdin", again, schema)
    assert again.getvalue() == IMAGE


class Endless:
    """A pipe that never ends."""

    def __init__(self, piece: bytes) -> None:
        self.piece = piece
        self.given = 0

    def seekable(self) -> bool:
        return False

    def read(self, size: int) -> bytes:
        self.given += size
        assert self.given < 1 << 24, "more was read than tells that it is of no use"
        return (self.piece * (size // len(self.piece) + 1))[:size]


def test_an_endless_pipe_that_is_no_image_is_refused_from_its_beginning() -> None:
    with pytest.raises(dyncrit.RawImageError):
        decode_image(Endless(bytes(7)), "stdin", io.BytesIO(), dyncrit.Schema.default())  # type: ignore[arg-type]
    with pytest.raises(dyncrit.DocumentError):
        encode_document(Endless(b"\xff\x00"), "stdin", io.BytesIO(), dyncrit.Schema.default())  # type: ignore[arg-type]
