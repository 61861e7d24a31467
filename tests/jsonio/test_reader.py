from __future__ import annotations

import io
import json
from typing import Any

import pytest

from dyncrit.errors import DocumentError
from dyncrit.jsonio import scanner
from dyncrit.jsonio.reader import DocumentReader

HEADER = {"magic": "CORE"}


def read(text: str | bytes) -> tuple[dict[str, Any], list[Any]]:
    reader = DocumentReader(io.BytesIO(text.encode() if isinstance(text, str) else text))
    return reader.header, [entry for batch in reader.entries() for entry in batch]


ENTRIES: list[Any] = [{"a": 1}, {"b": "x,}]{["}, {"c": [{"d": [[]]}, {}]}, {}]
DOCUMENT = {**HEADER, "entries": ENTRIES}


@pytest.fixture(params=[None, 1000, 64, 32], ids=lambda size: f"chunk={size}")
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(scanner, "_CHUNK_SIZE", request.param)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(DOCUMENT),
        json.dumps(DOCUMENT, indent=4),
        json.dumps(DOCUMENT, indent=2).replace("\n", "\r\n"),
        json.dumps(DOCUMENT, separators=(",", ":")),
        json.dumps(DOCUMENT, indent="\t"),
        json.dumps({"entries": ENTRIES, "magic": "CORE"}),
        json.dumps({"entries": ENTRIES, "magic": "CORE"}, indent=2),
        "\ufeff" + json.dumps(DOCUMENT),
        "\n\n  " + json.dumps(DOCUMENT) + "\n \t\r\n",
        "\n".join(map(json.dumps, [{**HEADER, "@format": "ndjson"}, *ENTRIES])),
        "\n".join(map(json.dumps, [{**HEADER, "@format": "ndjson"}, *ENTRIES])) + "\n",
        "\n".join(map(json.dumps, [HEADER, *ENTRIES])) + "\n",
        "\r\n".join(map(json.dumps, [{**HEADER, "@format": "ndjson"}, *ENTRIES])) + "\r\n",
        "\n\n\n".join(map(json.dumps, [{**HEADER, "@format": "ndjson"}, *ENTRIES])) + "\n\n",
        "\ufeff" + "\n".join(map(json.dumps, [{**HEADER, "@format": "ndjson"}, *ENTRIES])),
        "\n".join(json.dumps(item, indent=1) for item in [{**HEADER, "@format": "ndjson"}, *ENTRIES]),
    ],
    ids=range(16),
)
def test_every_layout_of_a_document_is_read(text: str) -> None:
    assert read(text) == (HEADER, ENTRIES)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_keys_may_stand_before_and_behind_the_entries(indent: int | None, count: int) -> None:
    entries = [{"n": n, "list": [{"m": n}]} for n in range(count)]
    document = {"@framing": "v1.0", "entries": entries, "magic": "X", "@z": None}
    header = {"@framing": "v1.0", "magic": "X", "@z": None}
    assert read(json.dumps(document, indent=indent)) == (header, entries)


def test_empty_ndjson_has_no_entries() -> None:
    assert read('{"magic":"CORE","@format":"ndjson"}\n') == (HEADER, [])


def test_a_document_without_entries_is_refused() -> None:
    with pytest.raises(DocumentError, match='no "entries"'):
        read('{"magic":"CORE"}')


def test_a_key_behind_the_entries_must_have_been_known() -> None:
    with pytest.raises(DocumentError, match="'@framing' stands behind the entries"):
        read('{"magic":"CORE","entries":[],"@framing":"v1.0"}')


@pytest.mark.usefixtures("chunks")
def test_items_that_are_no_objects_are_handed_on() -> None:
    assert read('{"magic":"X","entries":[1,{"a":2},[3],"four",null,true]}')[1] == [
        1,
        {"a": 2},
        [3],
        "four",
        None,
        True,
    ]


@pytest.mark.usefixtures("chunks")
def test_surrogate_escapes_give_surrogates() -> None:
    text = r'{"magic":"X","entries":[{"a":"\udcff"},{"b":"\ud83d\ude00"}]}'
    assert read(text)[1] == [{"a": "\udcff"}, {"b": "\U0001f600"}]


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("layout", [json.dumps, lambda item: json.dumps(item, indent=3)])
def test_an_entry_of_any_length_is_read(layout: Any) -> None:
    entries = [{"list": [{"n": n, "text": '"}{\\'} for n in range(3000)], "a": {"b": [1, 2]}}, {"c": 1}]
    assert read(layout({"magic": "X", "entries": entries}))[1] == entries


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", "", "an empty file"),
        ("  \n", "", "an empty file"),
        ("[]", "byte 0", "expected an object with magic"),
        ('"x"', "byte 0", "expected an object with magic"),
        ("{", "byte 1", "expected a key"),
        ("{1:2}", "byte 1", "expected a key"),
        ('{"magic" "CORE"}', "byte 9", "colon"),
        ('{"magic":}', "byte 9", ""),
        ('{"magic":"CORE" "entries":[]}', "byte 16", "comma"),
        ('{"magic":"CORE",,"entries":[]}', "byte 16", "expected a key"),
        ('{"magic":"CORE","entries":{}}', "byte 26", "expected a list of entries"),
        ('{"magic":"CORE","entries":null}', "byte 26", "expected a list of entries"),
        ('{"magic":"CORE","entries":[]', "byte 28", "comma or }"),
        ('{"magic":"CORE","entries":[]}x', "byte 29", "end of the document"),
        ('{"magic":"CORE","entries":[]}{}', "byte 29", "end of the document"),
        ('{"magic":"CORE","entries":[{"a":1}', "byte 34", "comma or ]"),
        ('{"magic":"CORE","entries":[{"a":1}{"b":2}]}', "byte 34", "comma or ]"),
        ('{"magic":"CORE","entries":[{"a":1},]}', "byte 35", ""),
        ('{"magic":"CORE","entries":[{"a":1},,{"b":2}]}', "byte 35", ""),
        ('{"magic":"CORE","entries":[,{"a":1}]}', "byte 27", ""),
        ('{"magic":"CORE","entries":[{"a":tru}]}', "byte 32", ""),
        ('{"magic":"CORE","entries":[{"a":01}]}', "byte 3", ""),
        ('{"magic":"CORE","entries":[{"a":NaN}]}', "byte 32", ""),
        ('{"magic":"CORE","entries":[{"a":Infinity}]}', "byte 32", ""),
        ('{"magic":"CORE","entries":[{"a":1,}]}', "byte 34", ""),
        ('{"magic":"CORE","entries":[{"a":[1,]}]}', "byte 35", ""),
        ('{"magic":"CORE","entries":[{"a":"\\x"}]}', "byte 3", ""),
        ('{"magic":"CORE","entries":[{"a":"x]}', "byte 32", "string that does not end"),
        ("{'magic':'CORE'}", "byte 1", "expected a key"),
    ],
)
def test_what_is_no_json_is_an_error_with_its_byte(text: str, place: str, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert str(caught.value).startswith(place)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_byte_is_right_far_into_a_file() -> None:
    good = '{"magic":"CORE","entries":[' + '{"number":12345,"text":"some words"},' * 50_000
    with pytest.raises(DocumentError) as caught:
        read(good + '{"a":1 "b":2}]}')
    assert caught.value.place == (f"byte {len(good) + 7}",)


def test_the_byte_counts_bytes_not_characters() -> None:
    good = '{"magic":"CORE","entries":[{"a":"äöü","b":'
    with pytest.raises(DocumentError) as caught:
        read(good + "?}]}")
    assert caught.value.place == (f"byte {len(good.encode())}",)


@pytest.mark.usefixtures("chunks")
def test_invalid_utf_8_is_an_error_with_its_byte() -> None:
    good = b'{"magic":"CORE","entries":[{"a":1},{"b":"x'
    with pytest.raises(DocumentError, match="UTF-8") as caught:
        read(good + b'\xff"}]}')
    assert caught.value.place == (f"byte {len(good)}",)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("magic_first", [True, False])
def test_a_document_cut_anywhere_is_refused(indent: int | None, magic_first: bool) -> None:
    document = DOCUMENT if magic_first else {"entries": ENTRIES, "magic": "CORE"}
    text = json.dumps(document, indent=indent).encode()
    for size in range(len(text)):
        with pytest.raises(DocumentError):
            read(text[:size])


@pytest.mark.usefixtures("chunks")
def test_ndjson_cut_within_a_line_is_refused() -> None:
    lines = [
        json.dumps(line).encode() for line in ({**HEADER, "@format": "ndjson"}, {"a": [1, "x"]}, {"b": 2})
    ]
    text = b"\n".join(lines)
    ends = {len(lines[0]), len(lines[0]) + 1 + len(lines[1]), len(text)}
    for size in range(len(text)):
        if size in ends or size - 1 in ends:
            continue
        with pytest.raises(DocumentError):
            read(text[:size])


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize(
    "lines",
    [
        '{"a":1\n"b":2}',
        '{"a":[1\n2]}',
        '{"a":1},{"b":2}',
        '{"a":1},\n{"b":2}',
        '{"a":1}\n]',
        '{"a":1}\n,{"b":2}',
        '{"a":"x\ny"}',
        '{"a":1}\n{"b":2',
    ],
)
def test_ndjson_with_lines_that_are_no_values_is_refused(lines: str) -> None:
    with pytest.raises(DocumentError):
        read('{"magic":"CORE","@format":"ndjson"}\n' + lines + "\n")


@pytest.mark.parametrize("bracket", ["[", '{"a":', '[{"a":'])
@pytest.mark.parametrize("depth", [1000, 2500, 100_000])
def test_deep_nesting_is_refused(bracket: str, depth: int) -> None:
    for start in (
        '{"magic":',
        '{"magic":"X","entries":[{"a":',
        '{"magic":"X","@format":"ndjson"}\n{"a":',
        "",
    ):
        with pytest.raises(DocumentError):
            read(start + bracket * depth)


def test_deep_nesting_that_is_closed_is_refused_too() -> None:
    nested = "[" * 100_000 + "]" * 100_000
    with pytest.raises(DocumentError, match="nested"):
        read(f'{{"magic":"X","entries":[{{"a":{nested}}},{{"b":1}}]}}')


def test_memory_holds_a_batch_not_the_document() -> None:
    line = b'{"number":12345,"text":"some words"},'
    file = io.BytesIO(b'{"magic":"X","entries":[' + line * 100_000 + b"{}]}")
    sizes = [len(batch) for batch in DocumentReader(file).entries()]
    assert sum(sizes) == 100_001
    assert max(sizes) * len(line) < 2 << 20
