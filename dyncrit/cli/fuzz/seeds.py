"""``dyncrit fuzz seeds``: what other fuzzers start from."""

from __future__ import annotations

from pathlib import Path

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.parameters import output_option
from dyncrit.cli.streams import encoded, one_line, open_output, print_json, print_line


@click.command(
    "seeds",
    epilog="Example: dyncrit fuzz seeds -o corpus/ --dictionary criu.dict; "
    "afl-fuzz -i corpus/ -x criu.dict -o findings/ -- ./reader @@",
)
@output_option("DIR", "Where the images go: a new folder, or an empty one.", required=True)
@click.option("-f", "--force", is_flag=True, help="Replace files in DIR, if it has any; others stay.")
@click.option(
    "--dictionary",
    "dictionary_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a dictionary, too: magics, tags, integers, names.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@schema_options
@click.pass_context
def command(
    ctx: click.Context, output: Path, force: bool, dictionary_file: Path | None, as_json: bool
) -> None:
    """Write a minimal seed corpus for AFL++ and libFuzzer.

    A small image of each type, and one with each kind of head and byte order. They are always the same.
    """
    from dyncrit.cli.tables import human_size
    from dyncrit.fuzz.dictionary import dictionary, show_dictionary
    from dyncrit.fuzz.generate.writing import write_files
    from dyncrit.fuzz.seeds import seed_images

    schema = ctx.ensure_object(SchemaChoice).schema()
    written = write_files(output, seed_images(schema), replace=force)
    tokens = dictionary(schema) if dictionary_file is not None else []
    if dictionary_file is not None:
        with open_output(dictionary_file, binary=False) as file:
            file.write(encoded(show_dictionary(tokens)))
    if as_json:
        print_json(
            {"folder": str(output), "files": written.files, "bytes": written.size, "tokens": len(tokens)}
        )
        return
    print_line(f"{one_line(str(output))}: {written.files} images, {human_size(written.size)}")
    if dictionary_file is not None:
        print_line(f"{one_line(str(dictionary_file))}: {len(tokens)} tokens")
