from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dyncrit.fuzz.run.target import Target, TargetError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_placeholder_becomes_the_path() -> None:
    target = Target.parse("/bin/cat -A '{image}' --in={image} 'a b'")
    assert target.command("/x y/core-1.img") == [
        "/bin/cat",
        "-A",
        "/x y/core-1.img",
        "--in=/x y/core-1.img",
        "a b",
    ]
    assert not target.takes_checkpoint
    assert Target.parse("/bin/ls {checkpoint}").takes_checkpoint


def test_programs_are_found_in_path_and_by_relative_path(tmp_path: Path) -> None:
    program = tmp_path / "reader"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert Target.parse("./reader {image}", tmp_path).program == f"{tmp_path}/reader"
    assert Target.parse("sh {image}", tmp_path).program.endswith("/sh")


def test_arguments_that_name_files_are_made_absolute(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text("")
    (tmp_path / "decode").write_text("")
    target = Target.parse("sh reader.py decode -i {image} nothing.py", tmp_path)
    assert target.arguments == (f"{tmp_path}/reader.py", "decode", "-i", "{image}", "nothing.py")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "an empty command"),
        ("cat", "no {image}"),
        ("cat {image} | wc", r"no shell runs it, so \| would be an argument; name one: sh -c"),
        ("cat {image} 2>/dev/null", "so 2>/dev/null would be an argument"),
        ("cat {image} {checkpoint}", "both"),
        ("cat '{image}", "No closing quotation"),
        ("no-such-program {image}", "no such program in PATH"),
        ("./no-such-program {image}", "there is no such program"),
        ("/dev/null {image}", "no program that may be run"),
        ("/etc {image}", "no program that may be run"),
    ],
)
def test_what_is_no_target_is_an_error(command: str, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        Target.parse(command)


def test_the_shell_reads_the_command_as_it_is_run() -> None:
    show = "import sys; print(sys.argv[1:])"
    target = Target.parse(f"""{sys.executable} -c '{show}' '$HOME "x"' pre'{{image}}'post "it's" '' """)
    script = f"input='/a b/$x.img'; {target.shell_command('input')}"
    shown = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown == f"{target.command('/a b/$x.img')[3:]}\n"
