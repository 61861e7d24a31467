"""The schema under validation, with all that rules ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.findings import Finding

if TYPE_CHECKING:
    from dyncrit.findings import Rule
    from dyncrit.validate.shape import Place, SchemaShape
    from dyncrit.validate.source import SchemaFiles


@dataclass(frozen=True, slots=True)
class Subject:
    """A schema that compiles: where its files are, and what is in them."""

    source: SchemaFiles
    shape: SchemaShape

    def finding(self, rule: Rule, message: str, place: Place) -> Finding:
        """What a rule finds at an element of the schema, or at one of the baseline's."""
        path = self.source.paths.get(place.file)
        if path is None:
            return Finding.of(rule, message)
        return Finding.of(rule, message, path, line=place.line)

    def header_finding(self, rule: Rule, message: str, line: int | None = None) -> Finding:
        """What a rule finds in ``magic.h``."""
        return Finding.of(rule, message, self.source.header, line=line)
