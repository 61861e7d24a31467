"""Sets, appends and deletes fields and entries of an image, in one pass over it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from dyncrit.codec.header import MAGIC_KEY
from dyncrit.edit.general.documents import EntryCoder, image_frame, lacking
from dyncrit.edit.general.lookup import BoundStep, Place, bind, bind_where, passes, places
from dyncrit.edit.general.path import ENTRIES, Assignment, Index, Name, Path, PathError, Where, show_steps
from dyncrit.edit.general.shapes import ListShape, NumbersShape, Shape, entry_shape
from dyncrit.errors import DocumentError, located

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.general.shapes import MessageShape
    from dyncrit.entry import Entry
    from dyncrit.types import JsonObject

_SELECTED = 2
"""How many steps of a path lead to an entry."""


class Deletion(NamedTuple):
    """What stands at a path is to be deleted: fields, items of lists, or entries."""

    path: Path


def change_fields(edit: Edit, name: str, changes: Sequence[Assignment | Deletion]) -> int:
    """Make changes to an image, in order, entry by entry; gives how many places were set or deleted.

    Entries are appended last, so no other change sees them. Memory holds one entry. Raises PathError for a
    path that leads to nothing that can be changed, DocumentError for a field that isn't in the schema, a
    value that doesn't fit, a path that nothing stands at, and an entry that lacks required fields
    afterwards; and ImageError where the image is damaged.
    """
    with located(edit.images.path(name)):
        changer = _Changer(EntryCoder(image_frame(edit, name), edit.schema), changes)
    if changer.counts_back:
        changer.count(sum(1 for _ in edit.entries(name)))
    edit.rewrite(name, changer.transform)
    with located(edit.images.path(name)):
        return changer.found()


class _Bound(NamedTuple):
    """A change in the terms of one kind of entries: which of them, the steps in them, and the value."""

    where: BoundStep | None
    steps: tuple[BoundStep, ...]
    value: Any


class _Task:
    """A change to fields, items or entries, and what it has found so far."""

    def __init__(self, change: Assignment | Deletion, shapes: Sequence[MessageShape]) -> None:
        self.change = change
        self.number: int | None = None
        """The index of the only entry that is meant."""
        self.places = 0
        selector = change.path.steps[1]
        if isinstance(selector, Index):
            self.number = selector.number
        self._reached = 1
        self._shapes = shapes
        self._bound: dict[int, _Bound | DocumentError] = {}
        if self.number is None:
            kinds = [self._bind(kind) for kind in range(len(shapes))]
            if isinstance(kinds[-1], DocumentError) and all(
                isinstance(kind, DocumentError) for kind in kinds
            ):
                raise kinds[-1]

    def apply(self, index: int, document: JsonObject) -> list[Place]:
        """Set or append in an entry's document; gives the places that were changed, or are to be deleted."""
        bound = self._for(index)
        if bound is None or (bound.where is not None and not passes(bound.where, document)):
            return []
        self._reached = max(self._reached, _SELECTED)
        if not bound.steps:
            return [Place([document], 0)]
        change = self.change
        is_deletion = isinstance(change, Deletion)
        create = change.path.is_exact and not is_deletion
        found = list(places(document, bound.steps, create=create, reached=self._reach))
        if is_deletion:
            return [place for place in found if place.is_there]
        for container, key in found:
            value = copy.deepcopy(bound.value)
            if not change.append:  # type: ignore[union-attr]  # it is an assignment
                container[key] = value
            elif isinstance(container, list):
                container[key] = [*container[key], value]
            else:
                container[key] = [*container.get(key, ()), value]
        return found

    def means(self, index: int) -> bool:
        """Whether the entry at an index may be one that the path means, as far as the index tells."""
        return self._for(index) is not None

    def require(self, entries: int) -> None:
        """Raise DocumentError if no place was found in any of the entries."""
        if self.places:
            return
        steps = self.change.path.steps
        there, missing = (
            show_steps(steps[: self._reached]),
            show_steps(steps[self._reached : self._reached + 1]),
        )
        if self._reached < _SELECTED:
            problem = f"found nothing: none of {entries} entries is {missing}"
        else:
            problem = f"found nothing: {there} is there, and has no {missing}"
        raise DocumentError(problem, str(self.change.path))

    def _for(self, index: int) -> _Bound | None:
        if self.number is not None and index != self.number:
            return None
        bound = self._bind(min(index, len(self._shapes) - 1))
        if not isinstance(bound, DocumentError):
            return bound
        if self.number is not None:
            raise bound
        return None

    def _bind(self, kind: int) -> _Bound | DocumentError:
        if kind not in self._bound:
            try:
                self._bound[kind] = _bind_change(self.change, self._shapes[kind])
            except DocumentError as error:
                self._bound[kind] = error
        return self._bound[kind]

    def _reach(self, steps: int) -> None:
        self._reached = max(self._reached, _SELECTED + steps)


class _Changer:
    """Makes all changes to each entry that comes by."""

    def __init__(self, coder: EntryCoder, changes: Sequence[Assignment | Deletion]) -> None:
        self._coder = coder
        self._layouts = coder.frame.image_type.records
        shapes = [entry_shape(coder.planner, coder.schema, layout) for layout in self._layouts]
        self._tasks = [_Task(_checked(change), shapes) for change in changes if not _adds_entry(change)]
        self._added = [_new_entry(change) for change in changes if _adds_entry(change)]
        self._entries = 0

    @property
    def counts_back(self) -> bool:
        """Whether the number of entries must be known before any is changed."""
        return any(task.number is not None and task.number < 0 for task in self._tasks)

    def count(self, entries: int) -> None:
        """Say how many entries there are."""
        for task in self._tasks:
            if task.number is not None and task.number < 0:
                task.number += entries if task.number >= -entries else 0

    def transform(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """The entries as they will be."""
        written = 0
        for index, entry in enumerate(entries):
            self._entries += 1
            changed = self._changed(index, entry)
            if changed is not None:
                written += 1
                yield changed
        for index, document in enumerate(self._added, written):
            place = f"{ENTRIES}[{index}]"
            if missing := self._coder.missing(index, document):
                raise DocumentError(lacking(missing), place)
            with located(place):
                yield self._coder.encode(index, dict(document))

    def found(self) -> int:
        """How many places were changed; raises DocumentError if there was none for any of the changes."""
        for task in self._tasks:
            task.require(self._entries)
        return sum(task.places for task in self._tasks) + len(self._added)

    def _changed(self, index: int, entry: Entry) -> Entry | None:
        """An entry as it will be; None if it is deleted."""
        tasks = [task for task in self._tasks if task.means(index)]
        if not tasks:
            return entry
        document = self._coder.decode(index, entry)
        touched = 0
        for task in tasks:
            found = task.apply(index, document)
            task.places += len(found)
            touched += len(found)
            if found and isinstance(task.change, Deletion):
                if len(task.change.path.steps) == _SELECTED:
                    self._refuse_head(index)
                    return None
                for place in reversed(found):
                    del place.container[place.key]
        return self._encoded(index, document, entry) if touched else entry

    def _encoded(self, index: int, document: JsonObject, entry: Entry) -> Entry:
        with located(f"{ENTRIES}[{index}]"):
            if missing := self._coder.missing(index, document):
                before = set(self._coder.missing(index, self._coder.decode(index, entry)))
                if added := [path for path in missing if path not in before]:
                    raise DocumentError(lacking(added))
            return self._coder.encode(index, document)

    def _refuse_head(self, index: int) -> None:
        """Raise DocumentError for an entry that others must stand behind."""
        if index < len(self._layouts) - 1:
            message = self._layouts[index].message
            raise DocumentError(f"is the {message} that the others need, so it stays", f"{ENTRIES}[{index}]")


def _bind_change(change: Assignment | Deletion, shape: MessageShape) -> _Bound:
    selector, steps = change.path.steps[1], change.path.steps[_SELECTED:]
    before = change.path.steps[:_SELECTED]
    where = None
    if isinstance(selector, Where):
        with located(show_steps(before)):
            where = bind_where(shape, selector)
    bound = bind(shape, steps, before)
    if isinstance(change, Deletion):
        return _Bound(where, bound, None)
    with located(str(change.path)):
        return _Bound(where, bound, _read_value(bound[-1].shape, change))


def _read_value(shape: Shape, change: Assignment) -> Any:
    if not change.append:
        return shape.read(change.value)
    if not isinstance(shape, ListShape | NumbersShape):
        raise DocumentError(f"{shape.what} is no list, so nothing can be appended to it; = sets it")
    return shape.item(0).read(change.value)


def _adds_entry(change: Assignment | Deletion) -> bool:
    return isinstance(change, Assignment) and change.append and change.path.steps == (Name(ENTRIES),)


def _new_entry(change: Assignment | Deletion) -> JsonObject:
    assert isinstance(change, Assignment)  # noqa: S101 (the caller looked)
    try:
        document = json.loads(change.value)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"expected an entry in JSON: {error}", ENTRIES) from None
    if not isinstance(document, dict):
        raise DocumentError("expected an entry as an object in JSON", ENTRIES)
    return document


def _checked(change: Assignment | Deletion) -> Assignment | Deletion:
    """A change whose path leads into entries; raises PathError for another."""
    first, *rest = change.path.steps
    place = f"path {change.path}"
    if isinstance(first, Name) and (first.name == MAGIC_KEY or first.name.startswith("@")):
        raise PathError(f"{first.name} tells what kind of image it is, which can't be changed", place)
    if first != Name(ENTRIES) or not rest or isinstance(rest[0], Name):
        raise PathError("expected entries and which of them, as in entries[0] or entries[type==REG]", place)
    if len(rest) == 1 and isinstance(change, Assignment):
        raise PathError("an entry can't be set as a whole; name a field in it", place)
    return change
