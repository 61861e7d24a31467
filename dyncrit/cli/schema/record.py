"""``dyncrit schema record``: a new release for the catalogue."""

from __future__ import annotations

from pathlib import Path

import click

from dyncrit.cli.streams import one_line, print_line


@click.command("record", epilog="Example: dyncrit schema record --release 4.3 --date 2026-03-01 ~/criu")
@click.argument("proto_dir", type=click.Path(path_type=Path))
@click.option("--release", required=True, metavar="VERSION", help="The release's number.")
@click.option("--date", metavar="YYYY-MM-DD", help="The day of the release.")
@click.option(
    "--catalogue",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The catalogue to add to. Default: that of dyncrit itself, dyncrit/schema/data/history.json.",
)
def command(proto_dir: Path, release: str, date: str | None, catalogue: Path | None) -> None:
    """Add a release to the catalogue, from CRIU's tree at PROTO_DIR, and tell what is new in it.

    For maintainers of dyncrit: docs/releases.md tells what else a new release takes.
    """
    from dyncrit.schema.recording import CATALOGUE, record_release

    found = record_release(release, proto_dir, date, catalogue or CATALOGUE)
    print_line(f"{found.release}: {len(found.differences)} differences to {found.previous}")
    for difference in found.differences:
        print_line(one_line(f"  {difference}"))
    for name, magic in found.new_magics.items():
        print_line(one_line(f"  magic {name} (0x{magic:08X}) has no row in dyncrit/schema/images.py"))
