from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, Schema, dump
from dyncrit.codec.wire import encode_field
from dyncrit.errors import DyncritError
from dyncrit.schema.export import export_protos
from dyncrit.validate.source import schema_files
from dyncrit.validate.validating import validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.findings import Finding, Report


@pytest.fixture
def release(tmp_path: Path) -> Callable[[str], Path]:
    """A folder with the .proto files of a release."""

    def make(version: str) -> Path:
        folder = tmp_path / f"criu-{version}"
        export_protos(Schema.release(version).source, folder)
        return folder

    return make


def _of(report: Report, rule: str) -> list[Finding]:
    return [item for item in report.findings if item.rule.id == rule]


def test_every_image_decodes_and_encodes(release: Callable[[str], Path], data: Path) -> None:
    made = validate(schema_files(release("4.2")), images=data)
    assert made.count("error") == 0
    assert (
        _of(made, "corpus-decodes") == _of(made, "corpus-encodes") == _of(made, "corpus-unknown-field") == []
    )
    (summary,) = _of(made, "corpus-summary")
    images = int(summary.message.split()[0])
    assert images > 300
    assert {"corpus-decodes", "corpus-encodes"} <= {rule.id for rule in made.rules}


def test_shared_corpus(release: Callable[[str], Path], corpus: Path) -> None:
    made = validate(schema_files(release("4.2")), images=corpus / "criu-4.2")
    assert made.count("error") == made.count("warning") == 0


def test_required_field_that_older_images_lack(release: Callable[[str], Path], data: Path) -> None:
    made = validate(schema_files(release("4.2")), images=data / "criu-1.1")
    (finding,) = _of(made, "corpus-required")
    assert finding.severity == "warning"
    assert finding.message.startswith("dump_stats_entry.pages_lazy is required, and lacks ")
    assert finding.line


def test_new_required_field_is_an_error_as_images_lack_it(release: Callable[[str], Path], data: Path) -> None:
    folder = release("4.2")
    proto = folder / "fs.proto"
    proto.write_text(
        proto.read_text().replace("message fs_entry {", "message fs_entry {\nrequired bool new = 9;")
    )
    made = validate(schema_files(folder), images=data / "criu-4.2")
    (finding,) = _of(made, "corpus-required")
    assert finding.severity == "error"
    assert "fs_entry.new is required" in finding.message
    assert "fs-" in finding.message


def test_fields_of_newer_images_are_counted(release: Callable[[str], Path], data: Path) -> None:
    made = validate(schema_files(release("4.1")), images=data / "criu-4.2")
    (finding,) = [item for item in _of(made, "corpus-unknown-field") if "pagemap_entry" in item.message]
    assert finding.severity == "warning"
    assert "no field 5, which is met " in finding.message
    assert "pagemap-" in finding.message


def test_field_of_another_type_on_the_wire_is_an_error(release: Callable[[str], Path], data: Path) -> None:
    folder = release("4.2")
    proto = folder / "pstree.proto"
    text = proto.read_text()
    assert "required uint32 pid = 1" in " ".join(text.split())
    proto.write_text(text.replace("uint32 pid", "fixed32 pid"))
    made = validate(schema_files(folder), images=data / "criu-4.2")
    (finding,) = _of(made, "corpus-wire-type")
    assert (finding.severity, finding.file) == ("error", str(proto))
    assert "pstree_entry.pid (1) does not stand on the wire as fixed32" in finding.message


def test_damaged_image_is_named(release: Callable[[str], Path], data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    image = next((data / "criu-4.2").rglob("core-*.img"))
    (folder / "core-1.img").write_bytes(image.read_bytes()[:-3])
    made = validate(schema_files(release("4.2")), images=folder)
    (finding,) = _of(made, "corpus-decodes")
    assert (finding.severity, finding.file) == ("error", str(folder / "core-1.img"))
    assert made.fails_on("error")


def test_what_is_never_met_is_told(release: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    image = Image.new("PIDNS")
    image.add(ext_key="x")
    dump(image, folder / "pidns-1.img")
    (folder / "pages-1.img").write_bytes(bytes(4096))
    (folder / "link.img").symlink_to(folder / "pidns-1.img")
    made = validate(schema_files(release("4.2")), images=folder)
    (summary,) = _of(made, "corpus-summary")
    assert summary.message.startswith("1 images with 1 records, 1 files without records; 1 of ")
    never = _of(made, "corpus-never-met")
    assert len(never) == 1
    assert "core_entry" in never[0].message
    assert "pidns_entry" not in never[0].message
    assert "criu_req" not in never[0].message


def test_messages_in_payloads_are_met(release: Callable[[str], Path], corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    image = next(path for path in sorted(corpus.rglob("ipcns-msg-*.img")) if path.stat().st_size > 100)
    shutil.copy(image, folder)
    made = validate(schema_files(release("4.2")), images=folder)
    (never,) = [item for item in _of(made, "corpus-never-met") if "are never met" in item.message]
    names = never.message.partition(": ")[2].split(", ")
    assert "ipc_shm_entry" in names
    assert not {"ipc_msg", "ipc_msg_entry"} & set(names)
    (summary,) = _of(made, "corpus-summary")
    assert "; 3 of " in summary.message  # ipc_msg_entry, ipc_desc_entry, and ipc_msg


def test_folder_that_is_not_there(release: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(DyncritError, match="no such folder"):
        validate(schema_files(release("4.2")), images=tmp_path / "none")


def test_garbage_in_many_entries_is_told_a_few_times(release: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    head = (0x54564319).to_bytes(4, "little") + (0x50273030).to_bytes(4, "little")
    record = b"\x0f"  # a tag of wire type 7
    (folder / "pstree.img").write_bytes(head + (len(record).to_bytes(4, "little") + record) * 500)
    made = validate(schema_files(release("4.2")), images=folder)
    findings = _of(made, "corpus-decodes")
    assert 1 < len(findings) < 30
    assert findings[0].place == "entry 0, byte 8"


def test_kinds_of_unknown_fields_are_bounded(release: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    image = Image.new("PIDNS")
    image.add()
    record = b"".join(encode_field(number, 0, 1) for number in range(100, 5000))
    dump(image, folder / "pidns-1.img")
    head = (folder / "pidns-1.img").read_bytes()[:8]
    (folder / "pidns-1.img").write_bytes(head + len(record).to_bytes(4, "little") + record)
    made = validate(schema_files(release("4.2")), images=folder)
    assert len(_of(made, "corpus-unknown-field")) == 1000
    assert _of(made, "corpus-encodes") == []
