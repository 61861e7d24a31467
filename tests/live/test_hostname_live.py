"""A program in a UTS namespace of its own, restored under another host name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.hostname import set_hostname
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from conftest import Bench

PROGRAM = r"""
#include "live.h"

static void prepare(int count, char **arguments)
{
	if (count) {
		TRY(sethostname(arguments[0], strlen(arguments[0])));
		TRY(setdomainname("old.example", 11));
	}
}

static const char *answer(const char *question)
{
	if (!strcmp(question, "domain"))
		return TRY(getdomainname(live_text, sizeof live_text)), live_text;
	return NULL;
}
"""


@pytest.mark.parametrize("name", ["new-host", "x" * 64, "caf\udce9"])
def test_the_program_is_called_as_it_was_set(bench: Bench, name: str) -> None:
    program = bench.start(PROGRAM, "old-host", namespaces=("uts",))
    assert (program.ask("hostname"), program.ask("domain")) == ("old-host", "old.example")
    images = program.dump()
    with open_checkpoint(images) as checkpoint, checkpoint.edit() as edit:
        assert [item.before for item in set_hostname(edit, name)] == ["old-host"]
    restored = bench.restore(images)
    assert (restored.ask("hostname"), restored.ask("domain")) == (name, "old.example")


def test_the_domain_is_what_was_set_even_if_it_is_empty(bench: Bench) -> None:
    images = bench.start(PROGRAM, "old-host", namespaces=("uts",)).dump()
    with open_checkpoint(images) as checkpoint, checkpoint.edit() as edit:
        set_hostname(edit, "new-host", domain="new.example")
    restored = bench.restore(images)
    assert (restored.ask("hostname"), restored.ask("domain")) == ("new-host", "new.example")


def test_a_program_in_the_hosts_namespace_has_no_name_to_be_set(bench: Bench) -> None:
    images = bench.start(PROGRAM).dump()
    with (
        open_checkpoint(images) as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
        pytest.raises(ImageError, match="no UTS namespace of its own"),
    ):
        set_hostname(edit, "new-host")
