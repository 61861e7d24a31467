"""Finds the places in an entry's document that a path leads to."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

from dyncrit.edit.general.path import All, Index, Name, Where, show_steps
from dyncrit.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.edit.general.path import Comparison, Operator, Step
    from dyncrit.edit.general.shapes import Shape

_ORDER: dict[Operator, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Place(NamedTuple):
    """A place that may be set or deleted: a key of an object, or an index of a list."""

    container: Any
    key: Any

    @property
    def is_there(self) -> bool:
        """Whether anything stands there."""
        return isinstance(self.container, list) or self.key in self.container


class _Check(NamedTuple):
    """A test with its value read: ``shape`` is what stands at the operand."""

    test: Comparison
    shape: Shape
    value: Any

    def holds(self, item: Any) -> bool:
        """Whether an item passes. What isn't there differs from every value."""
        value = item
        for step in self.test.operand:
            value = _look(value, step)
        if self.test.operator is None:
            return value is not None
        if value is None:
            return self.test.operator == "!="
        if self.test.operator in ("==", "!="):
            return self.shape.equal(value, self.value) == (self.test.operator == "==")
        return _ORDER[self.test.operator](self.shape.rank(value), self.shape.rank(self.value))


class BoundStep(NamedTuple):
    """A step, the ``shape`` of what it leads to, and for a condition what is checked."""

    step: Step
    shape: Shape
    stride: int = 1
    checks: tuple[_Check, ...] = ()

    def indices(self, items: list[Any]) -> Iterator[int]:
        """The indices of a list that the step means."""
        if isinstance(self.step, Index):
            number = self.step.number
            if -len(items) <= number < len(items):
                yield number % len(items)
            return
        for index in range(0, len(items), self.stride):
            if all(check.holds(items[index]) for check in self.checks):
                yield index


def bind(shape: Shape, steps: tuple[Step, ...], before: tuple[Step, ...] = ()) -> tuple[BoundStep, ...]:
    """Steps that lead on from what has ``shape``, their values read in the terms of the fields.

    ``before`` are the steps that led there, for errors. Raises DocumentError for a field that isn't in the
    schema, and a value that doesn't fit.
    """
    bound = []
    for number, step in enumerate(steps):
        try:
            bound.append(_bind_step(shape, step))
        except DocumentError as error:
            raise error.within(show_steps((*before, *steps[: number + 1]))) from None
        shape = bound[-1].shape
    return tuple(bound)


def bind_where(shape: Shape, step: Where) -> BoundStep:
    """A condition on what has ``shape``; raises as :func:`bind`."""
    return BoundStep(step, shape, checks=tuple(_bind_test(shape, test) for test in step.tests))


def passes(step: BoundStep, value: Any) -> bool:
    """Whether a condition holds for a value."""
    return all(check.holds(value) for check in step.checks)


def places(
    document: Any, steps: tuple[BoundStep, ...], *, create: bool, reached: Callable[[int], None]
) -> Iterator[Place]:
    """The places that steps lead to, from ``document``; the last name may be of a field that isn't there.

    ``create`` makes messages on the way that aren't there. ``reached`` is told how many steps found
    something.
    """
    yield from _places(document, steps, 0, create, reached)


def _places(
    value: Any, steps: tuple[BoundStep, ...], number: int, create: bool, reached: Callable[[int], None]
) -> Iterator[Place]:
    bound = steps[number]
    is_last = number == len(steps) - 1
    for key in _keys(value, bound, create=create and not is_last, is_last=is_last):
        place = Place(value, key)
        if place.is_there:
            reached(number + 1)
        if is_last:
            yield place
        else:
            yield from _places(value[key], steps, number + 1, create, reached)


def _keys(value: Any, bound: BoundStep, *, create: bool, is_last: bool) -> list[Any]:
    step = bound.step
    if not isinstance(step, Name):
        return list(bound.indices(value)) if isinstance(value, list) else []
    if not isinstance(value, dict):
        return []
    if create and step.name not in value:
        value[step.name] = bound.shape.empty()
    return [step.name] if is_last or step.name in value else []


def _bind_step(shape: Shape, step: Step) -> BoundStep:
    if isinstance(step, Name):
        return BoundStep(step, shape.child(step.name))
    if isinstance(step, Index):
        return BoundStep(step, shape.item(step.number))
    item = shape.item(0)
    if isinstance(step, All):
        return BoundStep(step, item, shape.stride)
    return bind_where(item, step)._replace(stride=shape.stride)


def _bind_test(shape: Shape, test: Comparison) -> _Check:
    for step in test.operand:
        shape = _bind_step(shape, step).shape
    if test.operator is None:
        return _Check(test, shape, None)
    value = shape.read(test.value)
    if test.operator in _ORDER:
        shape.rank(value)
    return _Check(test, shape, value)


def _look(value: Any, step: Name | Index) -> Any:
    if isinstance(step, Name):
        return value.get(step.name) if isinstance(value, dict) else None
    if not isinstance(value, list) or not -len(value) <= step.number < len(value):
        return None
    return value[step.number]
