"""``dyncrit schema diff``: two schemas compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.streams import one_line, print_json, print_line

if TYPE_CHECKING:
    from dyncrit.schema.differences import SchemaFacts


@click.command("diff", epilog="Example: dyncrit schema diff 4.1 ~/criu")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "--git",
    "repository",
    type=click.Path(path_type=Path, exists=True),
    metavar="REPO",
    help="A and B are revisions of this git repository.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(before: str, after: str, repository: Path | None, as_json: bool) -> None:
    """Tell what differs from schema A to B: messages, fields, enum values, options, magics.

    A and B are releases (4.1), folders (CRIU's tree, or .proto files) or descriptor sets. A folder with a
    release's name is written ./4.1. Files that no image needs (rpc.proto) are left out.
    """
    from dyncrit.schema.differences import differences

    found = differences(_facts(before, repository), _facts(after, repository))
    if as_json:
        listed = [difference.to_dict() for difference in found]
        print_json({"before": before, "after": after, "differences": listed})
        return
    for difference in found:
        print_line(one_line(str(difference)))
    if not found:
        print_line(one_line(f"{before} and {after} have the same schema"))


def _facts(name: str, repository: Path | None) -> SchemaFacts:
    from dyncrit.schema.differences import facts_of, named_schema

    if repository is None:
        return facts_of(named_schema(name))
    from dyncrit.schema import Schema
    from dyncrit.schema.repository import schema_tree

    with schema_tree(repository, name) as tree:
        return facts_of(Schema.from_protos(tree))
