from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dyncrit.fuzz.run.reports import find_report

if TYPE_CHECKING:
    from pathlib import Path

ASAN = """
=================================================================
==4242==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x60200000001{0} at pc 0x55{0} bp 0x7ffd sp 0x7ff
READ of size 4 at 0x602000000014 thread T0
    #0 0x7f00{0} in __interceptor_memcpy ../../../../src/libsanitizer/asan.cc:99
    #1 0x55d0{0} in read_entry(char const*, int) /src/reader.cc:{0}:3
    #2 0x55d1 in main (/src/reader+0x1{0}) (BuildId: abc)
    #3 0x7f01 in __libc_start_main (/lib/libc.so.6+0x2)

0x602000000014 is located 0 bytes to the right of 4-byte region
allocated by thread T0 here:
    #0 0x7f02 in malloc
"""
UNSYMBOLISED = """==1==ERROR: AddressSanitizer: SEGV on unknown address 0x{0} (pc 0x1 bp 0x2 sp 0x3 T0)
    #0 0x55d0 in <null> (/bin/reader+0x11a9)
    #1 0x55d1  (/bin/reader+0x22)
"""
MSAN = """==9==WARNING: MemorySanitizer: use-of-uninitialized-value
    #0 0x49b in parse /r.c:{0}:7
"""
UBSAN = "src/reader.c:{0}:9: runtime error: signed integer overflow: {0} * 2 cannot be represented\n"
GO = """reading
panic: runtime error: index out of range [{0}] with length 3

goroutine 1 [running]:
main.(*reader).entry(0xc000{0}, {{0x1, 0x2, 0x3}})
\t/src/main.go:{0} +0x1d
main.main()
\t/src/main.go:9 +0x2f
exit status 2
"""
GO_FATAL = """fatal error: all goroutines are asleep - deadlock!

goroutine {0} [chan receive]:
main.main()
\t/src/main.go:{0} +0x1d
"""
RACE = """==================
WARNING: DATA RACE
Write at 0x00c{0} by goroutine 7:
  main.write()
      /src/main.go:{0} +0x3a

Previous read at 0x00c0 by main goroutine:
  main.main()
      /src/main.go:2 +0x3a
"""
RUST = (
    "thread 'main' panicked at src/main.rs:{0}:5:\nindex out of bounds: the len is {0} but the index is 9\n"
)
PYTHON = """Traceback (most recent call last):
  File "/a/first.py", line {0}, in handled
KeyError: {0}

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/usr/bin/crit", line {0}, in <module>
    main()
  File "/lib/pycriu/images/__init__.py", line {0}, in load
    x = y[{0}]
        ~^^^^^
google.protobuf.message.DecodeError: wrong {0}
more of {0}
"""

SAMPLES = [
    (ASAN, "sanitizer", "AddressSanitizer: heap-buffer-overflow < read_entry(char const*, int) < main"),
    (UNSYMBOLISED, "sanitizer", "AddressSanitizer: SEGV < reader+0x11a9 < reader+0x22"),
    (MSAN, "sanitizer", "MemorySanitizer: use-of-uninitialized-value < parse"),
    (UBSAN, "sanitizer", "reader.c: runtime error: signed integer overflow: N * N cannot be represented"),
    (
        GO,
        "panic",
        "panic: runtime error: index out of range [N] with length N < main.(*reader).entry < main.main",
    ),
    (GO_FATAL, "panic", "fatal error: all goroutines are asleep - deadlock! < main.main"),
    (RACE, "sanitizer", "DATA RACE < main.write < main.main"),
    (RUST, "panic", "panicked at main.rs: index out of bounds: the len is N but the index is N"),
    (PYTHON, "traceback", "google.protobuf.message.DecodeError < images/__init__.py:load < crit:<module>"),
]


@pytest.mark.parametrize(("sample", "kind", "cause"), SAMPLES)
def test_the_cause_is_the_same_whatever_the_numbers(sample: str, kind: str, cause: str) -> None:
    for number in ("11", "4711"):
        report = find_report(f"some words\n{sample.format(number)}".encode())
        assert report is not None
        assert (report.kind, report.cause) == (kind, cause)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"error: no Traceback here",
        b"fatal error: stdio.h: No such file or directory",
        b"panic: calm down",
        b"core-1.img: runtime error",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_report_is_none(said: bytes) -> None:
    assert find_report(said) is None


def test_a_traceback_that_is_cut_is_still_one() -> None:
    report = find_report(b'Traceback (most recent call last):\n  File "/a/b.py", line 3, in f\n')
    assert report is not None
    assert report.cause.endswith("b.py:f")


def test_recursion_is_grouped_by_what_goes_round() -> None:
    code = (
        "import sys\nsys.setrecursionlimit({})\ndef g(n): return f(n)\ndef f(n): return g(len(str(n)))\nf(1)"
    )
    causes = set()
    for limit in (200, 201, 333):
        said = subprocess.run(
            [sys.executable, "-c", code.format(limit)], capture_output=True, check=False
        ).stderr
        report = find_report(said)
        assert report is not None
        causes.add(report.cause)
    assert causes == {"RecursionError < <string>:f < <string>:g"}


def test_real_reports_of_sanitizers_are_found(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    source = tmp_path / "a.c"
    source.write_text(
        "#include <stdlib.h>\n"
        "int read_it(char *p, int n) { return p[n]; }\n"
        "int main(int c, char **v) { char *p = malloc(4); int n = 0x7fffffff; n += c; return read_it(p, 4 + c); }\n"
    )
    program = tmp_path / "a"
    command = ["gcc", "-g", "-O0", "-fsanitize=address,undefined", "-o", program, source]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("gcc has no sanitizers here")
    said = subprocess.run([program], capture_output=True, check=False).stderr
    report = find_report(said)
    assert report is not None
    assert report.cause == "AddressSanitizer: heap-buffer-overflow < read_it < main"
    undefined = find_report(said[: said.index(b"====")])
    assert undefined is not None
    assert undefined.cause.startswith("a.c: runtime error: signed integer overflow")
