"""The script of a finding: it runs the targets on the input again, in a folder of their own, with limits."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from dyncrit.fuzz.run.normal import normalised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dyncrit.fuzz.run.finding import Finding
    from dyncrit.fuzz.run.limits import Limits
    from dyncrit.fuzz.run.target import Target


def reproducing_script(finding: Finding, targets: Sequence[Target]) -> bytes:
    """A script for ``/bin/sh``; ``targets`` are those of the finding, in its order.

    It takes the minimised input, where there is one, or what its argument names. Nothing in it is made of
    what the target said, but for a comment without control characters.
    """
    name = shlex.quote(finding.name)
    below = name if not finding.is_checkpoint else ""
    lines = [
        "#!/bin/sh",
        f"# {finding.verdict.kind}: {normalised(finding.verdict.cause)}",
        "# Runs the target on the minimised input if there is one, else on the input; or on what $1 names.",
        'here=$(cd "$(dirname "$0")" && pwd) || exit 2',
        f'input="$here"/minimised/{below}',
        f'[ -e "$input" ] || input="$here"/input/{below}',
        '[ $# -eq 0 ] || input=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") || exit 2',
        "work=$(mktemp -d) || exit 2",
        "trap 'rm -rf \"$work\"' EXIT",
        'cd "$work" || exit 2',
        'export HOME="$work" TMPDIR="$work" PYTHONHASHSEED=0',
        *(
            f"export {variable}={shlex.quote(value)}"
            for variable, value in sorted((finding.rules.environment or {}).items())
        ),
        *_limits(finding.rules.limits),
    ]
    for target in targets:
        command = target.shell_command("input")
        lines += [
            f"printf '%s\\n' {shlex.quote('+ ' + target.text)} >&2",
            f"{command} </dev/null",
            "status=$?",
        ]
        lines.append('echo "exit code $status" >&2')
    lines.append('exit "$status"')
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _limits(limits: Limits) -> Iterator[str]:
    yield limits.shell_commands()
    if limits.beyond_the_shell:
        yield f"# Not limited here, but by dyncrit fuzz replay: {limits.beyond_the_shell}."
