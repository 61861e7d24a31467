from __future__ import annotations

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from dyncrit.schema.bundled import DATA, NEWEST, NEWEST_SET
from dyncrit.schema.catalogue import build_release, bundled_set, history
from dyncrit.schema.pool import MessagePool, split_descriptor_set


def test_newest_release_is_the_last_of_the_catalogue() -> None:
    assert history().releases[-1] == NEWEST


def test_bundled_set_is_what_the_catalogue_makes_now() -> None:
    stored = FileDescriptorSet.FromString(NEWEST_SET.read_bytes())
    assert stored == bundled_set()
    assert NEWEST_SET.read_bytes() == stored.SerializeToString(deterministic=True)


def test_bundled_files_load_in_the_order_they_stand_in() -> None:
    pool = MessagePool(split_descriptor_set(NEWEST_SET.read_bytes()))
    messages = {message.name for file in build_release(NEWEST).file for message in file.message_type}
    assert set(pool.names) == messages - {"CRIU_Opts"}


def test_bundled_files_import_nothing_that_is_slow_to_load() -> None:
    names = [file.name for file in bundled_set().file]
    assert not [name for name in names if name.startswith("google/")]


def test_data_holds_the_history_and_the_newest_set_only() -> None:
    assert {path.name for path in DATA.iterdir()} == {"history.json", NEWEST_SET.name}
