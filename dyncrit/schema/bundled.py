"""The newest release's schema, ready made: what nearly every start wants, without the catalogue's history."""

from __future__ import annotations

from pathlib import Path

NEWEST = "4.2"
"""The newest release in the catalogue; on the wire it is a superset of all others."""

DATA = Path(__file__).with_name("data")

NEWEST_SET = DATA / f"criu-{NEWEST}.binpb"
"""Its FileDescriptorSet, which ``python -m dyncrit.schema.catalogue`` writes."""
