"""A real program full of secrets, dumped, anonymized, and read by CRIT: all images, and no secret."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.anonymity.copying import anonymized_copy

PROGRAM = r"""
#include "live.h"
#include <fcntl.h>
#include <sys/prctl.h>

static char kept[64];

static void prepare(int count, char **arguments)
{
    int sides[2], file, ends[2];
    snprintf(kept, sizeof kept, "%s", "memory-of-acme");
    prctl(PR_SET_NAME, "acme-worker");
    TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, sides));
    TRY(write(sides[0], "queue-of-acme", 13));
    TRY(pipe(ends));
    TRY(write(ends[1], "pipe-of-acme", 12));
    file = TRY(open("acme-file.txt", O_RDWR | O_CREAT, 0600));
    TRY(write(file, "ghost-of-acme", 13));
    TRY(unlink("acme-file.txt"));
}

static const char *answer(const char *question) { return question; }
"""
SECRETS = [b"acme", b"alice", b"swordfish"]
RAW = (
    "pages-",
    "iptables-",
    "ip6tables-",
    "nftables-",
    "ifaddr-",
    "route",
    "rule-",
    "netns-ct",
    "netns-exp",
    "tmpfs-",
)


@pytest.fixture
def crit(criu):
    program = Path(criu).with_name("crit")
    if not program.exists():
        pytest.skip(f"there is no crit beside {criu}")
    return program


def test_of_a_real_dump_no_secret_is_left_and_crit_reads_every_image(bench, crit, tmp_path):
    program = bench.start(
        PROGRAM,
        "alice",
        environment={"PASSWORD": "swordfish"},
        cwd=bench.folder / "acme-home",
        namespaces=("uts", "ipc"),
    )
    images = program.dump()
    before = b"\0".join(path.read_bytes() for path in images.iterdir() if path.is_file())
    assert [secret for secret in (*SECRETS, b"memory-of-acme", b"pipe-of-acme") if secret not in before] == []
    with open_checkpoint(images) as checkpoint:
        found = check(checkpoint, deep=True).findings
        anonymized_copy(checkpoint, tmp_path / "copy")
    after = sorted(path for path in (tmp_path / "copy").iterdir() if path.is_file())
    content = b"\0".join(path.read_bytes() for path in after)
    assert [secret for secret in SECRETS if secret in content] == []
    with open_checkpoint(tmp_path / "copy") as checkpoint:
        assert check(checkpoint, deep=True).findings == found
    for path in after:
        if not path.name.startswith(RAW):
            decoded = subprocess.run(
                [crit, "decode", "-i", path], capture_output=True, check=False, timeout=60
            )
            assert decoded.returncode == 0, (path.name, decoded.stderr)
            assert json.loads(decoded.stdout)["magic"]
