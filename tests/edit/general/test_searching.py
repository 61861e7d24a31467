from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dyncrit
from dyncrit.checkpoint.search import PatternError
from dyncrit.edit.general.searching import FieldHit, field_pattern, search_fields
from dyncrit.edit.general.source import open_source

if TYPE_CHECKING:
    from pathlib import Path


def grep(path: Path, pattern: str, *, names: bool = False, **options: bool) -> list[FieldHit]:
    with open_source(path) as reading:
        hits = list(search_fields(reading, field_pattern(pattern, **options), names=names))
        assert list(reading.checkpoint.problems) == []
        return hits


def places(hits: list[FieldHit]) -> list[tuple[str, str]]:
    return [(hit.image, hit.path) for hit in hits]


def test_every_field_is_found_with_image_and_path(data: Path) -> None:
    hits = grep(data / "demo/tree", "^/srv/demo/[a-z]+")
    assert places(hits) == [("files.img", f"entries[{index}].reg.name") for index in (0, 5, 6)]
    assert [hit.excerpt.text for hit in hits] == [
        "/srv/demo/tree",
        "/srv/demo/log.txt",
        "/srv/demo/deleted.txt",
    ]
    assert hits[0].to_dict()["match"] == "/srv/demo/tree"
    assert hits[0].entry == 0


def test_a_text_is_looked_for_as_it_is_and_in_any_case(data: Path) -> None:
    assert grep(data / "demo/tree", "log.txt", literal=True)
    assert not grep(data / "demo/tree", "log.tx.", literal=True)
    assert not grep(data / "demo/tree", "LOG.TXT", literal=True)
    assert grep(data / "demo/tree", "LOG.TXT", literal=True, ignore_case=True)
    assert grep(data / "demo/tree", "LOG.TX.", ignore_case=True)


def test_numbers_are_found_as_they_are_shown_and_in_decimal(data: Path) -> None:
    files = data / "demo/tree/files.img"
    path = ("files.img", "entries[5].reg.flags")
    assert places(grep(files, r"^O_RDWR \| O_APPEND")) == [path]
    assert places(grep(files, "^33794$")) == [path]
    mm = data / "demo/tree/mm-9834.img"
    start = dyncrit.load(mm).entries[0].message.mm_start_code
    assert places(grep(mm, f"^{start}$")) == places(grep(mm, f"^{start:#x}$"))
    assert ("mm-9834.img", "entries[0].mm_start_code") in places(grep(mm, f"^{start}$"))


def test_addresses_truth_values_and_names_of_enums_are_found(data: Path) -> None:
    files = data / "demo/sockets/files.img"
    assert ("files.img", "entries[9].isk.src_addr[0]") in places(grep(files, "127.0.0.1", literal=True))
    assert ("files.img", "entries[10].isk.src_addr[0]") in places(grep(files, "^::1$"))
    assert ("files.img", "entries[9].isk.state") in places(grep(files, "^LISTEN$"))
    assert grep(data / "demo/sockets", "^true$")


def test_payloads_are_searched_as_text(data: Path) -> None:
    assert places(grep(data / "demo/tree", "in the pi+pe")) == [("pipes-data.img", "entries[0].extra")]
    waiting = dyncrit.load(data / "demo/sockets/sk-queues.img").entries[0].payload
    hits = grep(data / "demo/sockets/sk-queues.img", waiting.decode(), literal=True)
    assert ("sk-queues.img", "entries[0].extra") in places(hits)


def test_parts_of_payloads_have_paths(tmp_path: Path) -> None:
    tcp = dyncrit.Image.new("TCP_STREAM")
    tcp.add(
        {"inq": b"GET /in", "outq": b"\xffreply\0"},
        inq_len=7,
        inq_seq=0,
        outq_len=7,
        outq_seq=0,
        opt_mask=0,
        snd_wscale=0,
    )
    dyncrit.dump(tcp, tmp_path / "tcp-stream-1.img")
    semaphores = dyncrit.Image.new("IPCNS_SEM")
    desc = {"key": 1, "uid": 0, "gid": 0, "cuid": 0, "cgid": 0, "mode": 0, "id": 1}
    semaphores.add([5, 4711], desc=desc, nsems=2)
    dyncrit.dump(semaphores, tmp_path / "ipcns-sem-1.img")
    (hit,) = grep(tmp_path / "tcp-stream-1.img", "reply")
    assert (hit.path, hit.excerpt.text) == ("entries[0].extra.outq", "\\xffreply\0")
    assert places(grep(tmp_path / "ipcns-sem-1.img", "4711")) == [("ipcns-sem-1.img", "entries[0].extra[1]")]


@pytest.mark.parametrize("offset", [0, (1 << 20) - 3, (2 << 20) - 70_000, (3 << 20) - 6])
def test_a_large_payload_is_searched_in_pieces(tmp_path: Path, offset: int) -> None:
    content = bytearray(3 << 20)
    content[offset : offset + 6] = b"needle"
    image = dyncrit.Image.new("GHOST_FILE")
    image.add(bytes(content), uid=0, gid=0, mode=0)
    path = tmp_path / "ghost-file-1.img"
    dyncrit.dump(image, path)
    for pattern in ("ne+dle", "needle"):
        (hit,) = grep(path, pattern, literal=pattern == "needle")
        text, start, end, is_cut = hit.excerpt
        assert (hit.path, text[start:end], is_cut) == ("entries[0].extra", "needle", True)
        assert len(text) < 1000
    assert bool(grep(path, "^needle")) == (offset == 0)


def test_names_of_fields_can_be_looked_for(data: Path) -> None:
    hits = grep(data / "demo/tree/core-9838.img", "^comm$", names=True)
    assert places(hits) == [("core-9838.img", f"entries[0].{name}.comm") for name in ("tc", "thread_core")]
    assert hits[0].excerpt.text == "child"
    (message,) = grep(data / "demo/tree/core-9838.img", "^gpregs$", names=True)
    assert message.excerpt.text.startswith('{"r15": "0x')
    assert message.excerpt.is_cut


def test_a_long_value_is_cut_around_the_match(data: Path, tmp_path: Path) -> None:
    image = dyncrit.load(data / "demo/tree/files.img")
    image.entries[0].message.reg.name = "/" + "x" * 5000 + "needle" + "y" * 5000
    dyncrit.dump(image, tmp_path / "files.img")
    (hit,) = grep(tmp_path / "files.img", "needle")
    text, start, end, is_cut = hit.excerpt
    assert is_cut
    assert text == "x" * 60 + "needle" + "y" * 60
    assert text[start:end] == "needle"


def test_names_that_are_not_utf8_are_found(tmp_path: Path, data: Path) -> None:
    document = dyncrit.load(data / "demo/tree/files.img").to_dict()
    document["entries"][0]["reg"]["name"] = "/srv/\udcff"
    dyncrit.dump(dyncrit.Image.from_dict(document), tmp_path / "files.img")
    (hit,) = grep(tmp_path / "files.img", "/srv/\udcff", literal=True)
    assert hit.excerpt.text == "/srv/\udcff"


def test_unknown_fields_are_searched(tmp_path: Path) -> None:
    image = dyncrit.Image.new("PSTREE")
    image.add(pid=5, ppid=0, pgid=5, sid=5, threads=[5])
    data = dyncrit.dumps(image)
    record = data[12:] + b"\xfa\x07\x06needle" + b"\xf8\x07\x87\x35"
    (tmp_path / "pstree.img").write_bytes(data[:8] + len(record).to_bytes(4, "little") + record)
    assert places(grep(tmp_path / "pstree.img", "needle")) == [("pstree.img", "entries[0].@unknown[0].text")]
    assert places(grep(tmp_path / "pstree.img", "^6791$")) == [
        ("pstree.img", "entries[0].@unknown[1].varint")
    ]


def test_damage_is_told_and_the_rest_is_searched(data: Path, tmp_path: Path) -> None:
    image = dyncrit.Image.new("PSTREE")
    for pid in (5, 6, 7):
        image.add(pid=pid, ppid=0, pgid=pid, sid=pid, threads=[4711])
    content = bytearray(dyncrit.dumps(image))
    size = (len(content) - 8) // 3
    content[8 + size + 4] = 0xFF
    (tmp_path / "pstree.img").write_bytes(bytes(content) + b"\1")
    (tmp_path / "files.img").write_bytes((data / "demo/tree/files.img").read_bytes())
    (tmp_path / "pages-1.img").write_bytes(bytes(4096))
    with open_source(tmp_path) as reading:
        hits = places(list(search_fields(reading, field_pattern("4711|/dev/null"))))
        assert ("files.img", "entries[3].reg.name") in hits
        assert [place for place in hits if place[0] == "pstree.img"] == [
            ("pstree.img", "entries[0].threads[0]"),
            ("pstree.img", "entries[2].threads[0]"),
        ]
        problems = [str(problem) for problem in reading.checkpoint.problems]
    assert len(problems) == 2
    assert problems[0].startswith("pstree.img: entry 1 at byte ")
    assert all(problem.startswith("pstree.img: entr") for problem in problems)


def test_a_pattern_that_is_wrong_or_matches_nothing_at_all_is_refused() -> None:
    for pattern in ("(", "x*", ""):
        with pytest.raises(PatternError):
            field_pattern(pattern)
    with pytest.raises(PatternError):
        field_pattern("", literal=True)
