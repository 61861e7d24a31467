"""``dyncrit schema show``: the schema in use, a message of it, or a type of image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.streams import one_line, print_json, print_line
from dyncrit.cli.tables import print_table

if TYPE_CHECKING:
    from dyncrit.schema.description import FieldDescription, ImageDescription, MessageDescription
    from dyncrit.types import JsonObject


@click.command("show", epilog="Example: dyncrit --criu 3.17 schema show PAGEMAP")
@click.argument("name", required=False, metavar="[MESSAGE|IMAGE]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@schema_options
@click.pass_context
def command(ctx: click.Context, name: str | None, as_json: bool) -> None:
    """Tell which schema is in use and why, or what it says of a name.

    MESSAGE is a message (pagemap_entry), IMAGE a type of image (PAGEMAP) or the name of a file (core-1.img).
    SINCE is the first release whose field has that number, in the catalogue of releases.
    """
    choice = ctx.ensure_object(SchemaChoice)
    if name is None:
        _show_schema(_facts(choice), as_json=as_json)
        return
    from dyncrit.schema.description import ImageDescription, MessageDescription, describe_name

    found = describe_name(choice.schema(), name)
    if as_json:
        print_json(found.to_dict())
    elif isinstance(found, MessageDescription):
        _print_message(found)
    elif isinstance(found, ImageDescription):
        _print_image(found)
    else:
        _print_facts({"raw file": found.name, "holds": found.describes, "files": ", ".join(found.files)})


def _show_schema(facts: JsonObject, *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if value is not None:
            click.echo(f"{name.replace('_', ' ') + ':':14} {value}")


def _facts(choice: SchemaChoice) -> JsonObject:
    schema = choice.schema()
    source = schema.source
    return {
        "schema": source.name,
        "why": choice.reason(),
        "messages": len(schema.message_names),
        "image_types": len(schema.table.types),
        "magics_from": str(source.magic_header) if source.magic_header else None,
        "table": str(choice.table) if choice.table else None,
        "compiled": None if source.cached is None else "before (in the cache)" if source.cached else "now",
    }


def _print_facts(facts: JsonObject) -> None:
    for name, value in facts.items():
        if value:
            print_line(one_line(f"{name + ':':14} {value}"))


def _print_image(image: ImageDescription) -> None:
    magic = None if image.magic is None else f"0x{image.magic:08X}"
    facts = {"image": image.name, "magic": magic, "head": image.head, "aliases": ", ".join(image.aliases)}
    _print_facts(facts | {"files": ", ".join(image.files)})
    print_line()
    heads = ("RECORD", "MESSAGE", "PAYLOAD BEHIND IT")
    print_table(heads, ((row.which, row.message or "(unknown)", row.payload) for row in image.records))
    for name in image.missing:
        print_line(one_line(f"\nmessage {name}: not in this schema"))
    for message in image.messages:
        print_line()
        _print_message(message)


def _print_message(message: MessageDescription) -> None:
    since = f", since {message.since}" if message.since else ""
    print_line(one_line(f"message {message.name} ({message.file}{since})"))
    heads = ("NUMBER", "NAME", "LABEL", "TYPE", "OPTIONS", "SINCE", "OTHER NAMES")
    print_table(heads, (_row(field) for field in message.fields), numbers=("NUMBER",))
    for name, values in message.enums.items():
        listed = ", ".join(f"{value} = {number}" for value, number in values.items())
        print_line(one_line(f"enum {name}: {listed}"))


def _row(field: FieldDescription) -> tuple[object, ...]:
    from dyncrit.schema.differences import options_text

    default = {} if field.default is None else {"default": field.default}
    options = options_text({**field.options, **default})
    names = ", ".join(field.other_names)
    return field.number, field.name, field.label, field.type, options, field.since, names
