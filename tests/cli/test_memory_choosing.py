from __future__ import annotations

from dyncrit.checkpoint.memory.vma import VmaKind
from dyncrit.cli.memory import choosing


def test_every_kind_of_mapping_can_be_chosen() -> None:
    assert set(choosing._KINDS) == {kind.value for kind in VmaKind}
