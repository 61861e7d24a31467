from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import MessageToDict

import dyncrit
from dyncrit.codec.message import Codecs
from dyncrit.codec.plan import Style

if TYPE_CHECKING:
    from pathlib import Path


def go_crit_document(image: dyncrit.Image) -> dict:
    """What go-criu's crit makes of an image: protobuf's JSON mapping, with base64 payloads in one line."""
    entries = []
    for entry in image.entries:
        fields = MessageToDict(entry.message)
        if entry.payload:
            assert isinstance(entry.payload, bytes)
            fields["extra"] = base64.b64encode(entry.payload).decode()
        entries.append(fields)
    return {"magic": image.type.name, "entries": entries}


def test_go_crits_documents_give_the_image_back(images: list[Path]) -> None:
    tried = set()
    for path in images:
        if "criu-4.2" not in path.parts:
            continue
        try:
            image = dyncrit.load(path)
        except dyncrit.RawImageError:
            continue
        if any(isinstance(entry.payload, list | dict) for entry in image.entries) or "pytree" in path.parts:
            continue  # go-crit can't write those payloads as JSON, nor names that aren't UTF-8
        document = json.loads(json.dumps(go_crit_document(image)))
        assert dyncrit.dumps(dyncrit.Image.from_dict(document)) == path.read_bytes(), path
        tried.add(image.type.name)
    assert {"CORE", "FILES", "MM", "PAGEMAP", "GHOST_FILE", "SK_QUEUES"} <= tried


def test_socket_names_are_base64_there_and_text_here() -> None:
    entry = {"id": 1, "ino": 2, "type": 1, "state": 1, "flags": 2, "uflags": 0, "backlog": 0, "peer": 0}
    owner = {"uid": 0, "euid": 0, "signum": 0, "pidType": 0, "pid": 0}
    options = {
        "soSndbuf": 1,
        "soRcvbuf": 1,
        "soSndTmoSec": "0",
        "soSndTmoUsec": "0",
        "soRcvTmoSec": "0",
        "soRcvTmoUsec": "0",
    }
    entry |= {"fown": owner, "opts": options, "name": base64.b64encode(b"\0name").decode()}
    image = dyncrit.Image.from_dict({"magic": "UNIXSK", "entries": [entry]})
    assert image.entries[0].message.name == b"\0name"


def test_a_misspelt_key_is_still_an_error() -> None:
    with pytest.raises(dyncrit.DocumentError, match="no field 'pidTypo'"):
        dyncrit.Image.from_dict({"magic": "PSTREE", "entries": [{"pid": 1, "pidTypo": 1}]})


def test_unknown_keys_can_be_passed_over_beside_names_in_camel_case() -> None:
    document = {"magic": "PAGEMAP", "entries": [{"pagesId": 7, "more": 1}]}
    image = dyncrit.Image.from_dict(document, allow_unknown=True)
    assert image.entries[0].message.pages_id == 7


def test_fields_that_are_called_in_capitals_are_no_sign_of_it(tmp_path: Path) -> None:
    (tmp_path / "opts.proto").write_text(
        'syntax = "proto2"; import "google/protobuf/descriptor.proto"; message CRIU_Opts { optional string conv = 7; }'
        " extend google.protobuf.FieldOptions { optional CRIU_Opts criu = 1018; }"
    )
    (tmp_path / "name.proto").write_text(
        'syntax = "proto2"; import "opts.proto"; message name_entry { optional bytes Clear = 3 [(criu).conv = "unix_name"]; optional float f = 4; }'
    )
    schema = dyncrit.Schema.from_protos(tmp_path)
    codec = Codecs(schema, Style()).codec("name_entry")
    record = bytes.fromhex("1a020800")  # a type with a float is the careful codec's
    assert codec.encode(codec.decode(record)) == record
