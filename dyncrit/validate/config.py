"""The file that says which findings to leave out.

A YAML file::

    ignore:
      - rule: json-field-renamed
        paths: [images/pagemap.proto]
      - rule: added-*

``rule`` is a rule's id, or a pattern of some. ``paths`` are patterns of files, where ``*`` stands for any
text; one also fits below any folder. Without it the rule is ignored everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NoReturn

from dyncrit.errors import DyncritError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dyncrit.findings import Finding, Rule

_MAX_SIZE = 1 << 20
_KINDS = {"scalar": "text", "sequence": "a list", "mapping": "keys and values"}


class ConfigError(DyncritError):
    """A configuration file that can't be read or says something that has no meaning."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Findings to leave out: a pattern of rule ids, and patterns of paths (none: everywhere)."""

    rule: str
    paths: tuple[str, ...] = ()

    def fits(self, finding: Finding) -> bool:
        """Whether a finding is one of these."""
        if not fnmatchcase(finding.rule.id, self.rule):
            return False
        return not self.paths or any(
            fnmatchcase(finding.file, pattern) or fnmatchcase(finding.file, f"*/{pattern}")
            for pattern in self.paths
        )


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration file says."""

    ignored: tuple[Ignored, ...] = ()

    def kept(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings that are not ignored."""
        return (item for item in findings if not any(ignored.fits(item) for ignored in self.ignored))


def read_config(path: Path, rules: Iterable[Rule]) -> Config:
    """Read a configuration file; raises ConfigError, with the line, for what has no meaning."""
    import yaml

    try:
        with path.open("rb") as file:
            text = file.read(_MAX_SIZE)
    except OSError as error:
        raise ConfigError(error.strerror or str(error), str(path)) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"not a YAML file: {' '.join(str(error).split())}", str(path)) from error
    if root is None:
        return Config()
    reader = _Reader(str(path), [rule.id for rule in rules])
    found = reader.mapping(root, ("ignore",))
    items = reader.items(found["ignore"]) if "ignore" in found else []
    return Config(tuple(reader.ignored(item) for item in items))


class _Reader:
    """Reads YAML nodes, which know their lines."""

    def __init__(self, path: str, rules: list[str]) -> None:
        self.path = path
        self.rules = rules

    def ignored(self, node: Any) -> Ignored:
        found = self.mapping(node, ("rule", "paths"))
        if "rule" not in found:
            self.fail(node, "an ignored item has a rule")
        rule = self.text(found["rule"])
        if not any(fnmatchcase(known, rule) for known in self.rules):
            self.fail(found["rule"], f"no rule {rule!r}{did_you_mean(rule, self.rules)}")
        paths = self.items(found["paths"]) if "paths" in found else []
        return Ignored(rule, tuple(self.text(path) for path in paths))

    def mapping(self, node: Any, known: tuple[str, ...]) -> dict[str, Any]:
        if node.id != "mapping":
            self.fail(node, f"expected keys and values, found {_KINDS[node.id]}")
        found: dict[str, Any] = {}
        for key_node, value in node.value:
            key = self.text(key_node)
            if key not in known:
                self.fail(
                    key_node, f"no key {key!r} here; there are {', '.join(known)}{did_you_mean(key, known)}"
                )
            if key in found:
                self.fail(key_node, f"the key {key!r} stands here twice")
            found[key] = value
        return found

    def items(self, node: Any) -> list[Any]:
        if node.id != "sequence":
            self.fail(node, f"expected a list, found {_KINDS[node.id]}")
        return list(node.value)

    def text(self, node: Any) -> str:
        if node.id != "scalar" or not node.value:
            self.fail(node, f"expected text, found {_KINDS[node.id] if node.value else 'nothing'}")
        return str(node.value)

    def fail(self, node: Any, problem: str) -> NoReturn:
        raise ConfigError(problem, self.path, f"line {node.start_mark.line + 1}")
