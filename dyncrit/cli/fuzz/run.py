"""``dyncrit fuzz run``: programs run on broken images, and what they do then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dyncrit.cli.choice import SchemaChoice, schema_options
from dyncrit.cli.fuzz.settings import EXIT_CODES, VARIABLE
from dyncrit.cli.parameters import LENGTH, output_option
from dyncrit.cli.streams import one_line, print_json, print_line, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dyncrit.cli.fuzz.watch import Watch
    from dyncrit.fuzz.run.corpus import Corpus
    from dyncrit.fuzz.run.plan import Plan, Tally
    from dyncrit.fuzz.run.store import FindingStore
    from dyncrit.fuzz.run.target import Target
    from dyncrit.fuzz.run.verdict import Rules

_SEED_BYTES = 4


@click.command(
    "run",
    epilog="Example: dyncrit fuzz run --target 'crit decode -i {image}' --corpus DIR --time 60 -o findings/",
)
@click.option(
    "--target",
    "commands",
    multiple=True,
    required=True,
    metavar="COMMAND",
    help="The command to run, with {image} or {checkpoint} (a folder of images) where the name goes. Several "
    "are also compared with each other. No shell runs it.",
)
@click.option(
    "--corpus",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The images, or checkpoints, that inputs are made of; searched with its subfolders.",
)
@output_option(
    "FINDINGS", "Where findings go, each a folder; one that has some is gone on with.", required=True
)
@click.option("--time", "seconds", type=click.FloatRange(min=0), metavar="S", help="End after S seconds.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N inputs.")
@click.option(
    "--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, help="Targets run at once."
)
@click.option(
    "--seed", type=click.IntRange(min=0), help="Make the inputs of this seed. Default: another each time."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True, max=86400),
    default=5.0,
    show_default=True,
    metavar="S",
    help="How many seconds a target may take.",
)
@click.option(
    "--memory",
    type=LENGTH,
    default="512M",
    show_default=True,
    help="How much memory it may use; 0: no limit.",
)
@click.option(
    "--memory-kind",
    type=click.Choice(["address-space", "resident"]),
    default="address-space",
    show_default=True,
    help="What --memory is about. Programs with a sanitizer map far more than they use: resident.",
)
@click.option(
    "--file-size",
    type=LENGTH,
    default="64M",
    show_default=True,
    help="How large its files may be; 0: no limit.",
)
@click.option(
    "--expect-exit", "expected", type=EXIT_CODES, metavar="CODES", help="Any other exit code is a finding."
)
@click.option(
    "--compare",
    type=click.Choice(["json", "text", "exit"]),
    default="json",
    show_default=True,
    help="How outputs of several targets are compared; exit: only whether all accept an input.",
)
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="PATH",
    help="A path in JSON where outputs may differ, with * for anything: 'entries.*.@unknown'.",
)
@click.option(
    "--env",
    "variables",
    type=VARIABLE,
    multiple=True,
    metavar="NAME[=VALUE]",
    help="A variable for targets, which else get PATH, LANG, LC_*, LD_LIBRARY_PATH, PYTHON*, *SAN_OPTIONS.",
)
@click.option(
    "--minimise-time",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="S",
    help="How long to make the input of one finding smaller; 0: not at all.",
)
@click.option(
    "--minimise-count",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    metavar="N",
    help="How many executions to do so.",
)
@click.option("--force", is_flag=True, help="Run even targets that fail on the whole corpus as it is.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@schema_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    commands: tuple[str, ...],
    corpus: Path,
    output: Path,
    as_json: bool,
    **options: Any,
) -> int:
    """Run programs on broken images, and keep what goes wrong.

    Findings are: signals, reports of sanitizers, panics, tracebacks, time-outs, too much memory or too large
    files, and exit codes other than expected. That a target refuses an input is none, if it says so and
    exits with a code. Of several targets, also that one accepts what another refuses, and that they decode
    something else. Each cause is kept once, by its first input, then counted.

    Each execution is in a new folder (also HOME and TMPDIR), in a session of its own, which is ended with all
    that is in it. This is no container: targets can do what you can. Arguments that name files are made
    absolute.

    With --jobs 1, a --seed and a --count give the same inputs and findings each time. Ctrl-C ends a run;
    what was found is kept. Exits with 1 if there are findings, new ones or known ones that showed again.
    """
    from dyncrit.cli.fuzz.watch import Watch
    from dyncrit.fuzz.run.corpus import CorpusError
    from dyncrit.fuzz.run.store import FindingStore
    from dyncrit.fuzz.run.target import TargetError

    schema = ctx.ensure_object(SchemaChoice)
    try:
        targets = _targets(commands)
        plan = _plan(schema, targets, corpus, options)
        store = FindingStore(output)
        with Watch(store, plan, quiet=as_json).watching() as watch:
            watch.begin()
            tally = _run(plan, store, watch)
            watch.end(tally)
    except (TargetError, CorpusError) as error:
        raise click.UsageError(one_line(str(error)), ctx) from error
    if as_json:
        print_json(_summary(plan, store, tally))
    else:
        _print_summary(plan, store, tally)
    return 1 if tally.hits else 0


def _run(plan: Plan, store: FindingStore, watch: Watch) -> Tally:
    """Run a plan; where its targets can't be, nothing is left of it."""
    from dyncrit.fuzz.run.campaign import run
    from dyncrit.fuzz.run.target import TargetError

    try:
        return run(plan, store, watch)
    except TargetError:
        store.withdraw()
        raise


def _targets(commands: Sequence[str]) -> tuple[Target, ...]:
    from dyncrit.fuzz.run.target import Target, TargetError

    targets = tuple(Target.parse(text) for text in commands)
    if len({target.placeholder for target in targets}) > 1:
        raise TargetError("some have {image} and some {checkpoint}; expected the same in all", "targets")
    if len(set(commands)) < len(commands):
        raise TargetError("one is given twice", "targets")
    return targets


def _plan(choice: SchemaChoice, targets: tuple[Target, ...], corpus: Path, options: dict[str, Any]) -> Plan:
    from dyncrit.fuzz.run.corpus import read_corpus
    from dyncrit.fuzz.run.plan import Effort, Plan

    schema = choice.schema()
    read = read_corpus(corpus, schema, checkpoints=targets[0].takes_checkpoint)
    _tell_left_out(choice, read)
    seed = options["seed"]
    return Plan(
        targets=targets,
        corpus=read,
        schema=schema,
        rules=_rules(options),
        seed=int.from_bytes(os.urandom(_SEED_BYTES), "little") if seed is None else seed,
        jobs=options["jobs"],
        seconds=options["seconds"],
        count=options["count"],
        effort=Effort(options["minimise_count"], options["minimise_time"]),
        force=options["force"],
    )


def _rules(options: dict[str, Any]) -> Rules:
    from dyncrit.fuzz.run.limits import Limits
    from dyncrit.fuzz.run.verdict import Rules

    limits = Limits(options["timeout"], options["memory"], options["file_size"], options["memory_kind"])
    return Rules(
        limits,
        options["expected"] or frozenset(),
        options["compare"],
        dict(options["variables"]),
        options["ignored"],
    )


def _tell_left_out(choice: SchemaChoice, corpus: Corpus) -> None:
    """How many files of the corpus are not taken; which, only with -v."""
    if not corpus.left_out:
        return
    if choice.verbose:
        for text in corpus.left_out:
            say(f"left out: {text}")
    else:
        say(f"{len(corpus.left_out)} files of the corpus are left out (-v says which)")


def _summary(plan: Plan, store: FindingStore, tally: Tally) -> dict[str, Any]:
    return {
        "seed": plan.seed,
        "seconds": round(tally.seconds, 3),
        "inputs": tally.inputs,
        "executions": tally.executions,
        "executions_minimising": tally.minimising,
        "executions_a_second": round(tally.rate, 1),
        "left_behind": tally.left_behind,
        "ends": dict(tally.ends.most_common()),
        "findings": [
            {**store.findings[key].to_dict(), "hits_of_run": hits} for key, hits in _by_hits(store, tally)
        ],
    }


def _print_summary(plan: Plan, store: FindingStore, tally: Tally) -> None:
    ends = ", ".join(f"{count} {kind}" for kind, count in tally.ends.most_common())
    print_line(
        f"{tally.inputs} inputs, {tally.executions} executions in {tally.seconds:.1f} s "
        f"({tally.rate:.0f}/s with {tally.minimising} for minimising): {ends or 'none'}"
    )
    if tally.left_behind:
        print_line(f"{tally.left_behind} processes that targets left behind were ended")
    found = _by_hits(store, tally)
    if found:
        _print_findings(store, found)
        where = one_line(str(store.folder))
        before = len(store.findings) - len(found)
        others = f" of this run, {before} from before" if before else ""
        print_line(
            f"{_counted(len(found))}{others} in {where}; each has a reproduce.sh, "
            f"all: dyncrit fuzz replay {where}"
        )
    else:
        print_line(f"no findings (seed {plan.seed})")


def _print_findings(store: FindingStore, found: Sequence[tuple[str, int]]) -> None:
    from dyncrit.cli.tables import print_table

    rows = [
        (hits, finding.folder_name, one_line(finding.verdict.cause))
        for key, hits in found
        for finding in (store.findings[key],)
    ]
    print_table(("hits", "finding", "cause"), rows, numbers=("hits",))


def _counted(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"


def _by_hits(store: FindingStore, tally: Tally) -> list[tuple[str, int]]:
    """The findings of this run that could be kept, those that were hit most often first."""
    return [(key, hits) for key, hits in tally.hits.most_common() if key in store.findings]
