"""Which events somebody may see, by conditions on their fields.

A condition on a field that is not there, or has another type than the condition, is neither true nor false, and so is
its ``not``: an event is seen only where its filter is true. ``exists`` alone is always one or the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

from attrs import define, field, frozen

from pulsetw import codec
from pulsetw.model import Event, Publication
from pulsetw.policy.conditions import EXPECTED, MAX_CONDITIONS, OPERATORS, Test, Verdict, read_list, wrong
from pulsetw.policy.fields import EXPECTED_FIELD, Field, Fields, parse_field

MAX_DEPTH = 8
"""Objects in objects by ``all``, ``any`` and ``not``."""

Values = Mapping[Field, object]
Word = Literal["all", "any"]


class _Part(Protocol):
    """A part of a filter.

    Attributes:
        text: its canonical JSON.
    """

    @property
    def text(self) -> str: ...

    def judge(self, values: Values) -> Verdict: ...

    def fields(self) -> Iterable[Field]: ...


@frozen
class Filter:
    """Conditions on an event. Filters that say the same in another order are equal.

    Attributes:
        text: the canonical JSON.
    """

    text: str
    _part: _Part = field(eq=False, repr=False)
    _fields: Fields = field(eq=False, repr=False)

    @classmethod
    def parse(cls, document: object) -> "Filter":
        """The filter that a document of JSON's plain types stands for; see the reference, `permissions.md`.

        Raises:
            ValueError: names what was wrong and what was expected.
        """
        part = _Reading().whole(document, "filter", 1)
        return cls(part.text, part, Fields(set(part.fields())))

    def matches(self, event: Event) -> bool:
        """Whether the event may be seen. Data that cannot be read has no members."""
        return self._part.judge(self._fields.read(event)) is True


def visible(event_filter: Filter | None, publications: Sequence[Publication]) -> tuple[Publication, ...]:
    """Those publications that may be seen, in their order; without a filter all."""
    return tuple(each for each in publications if event_filter is None or event_filter.matches(each.event))


@frozen
class _Condition:
    field: Field
    test: Test
    text: str

    def judge(self, values: Values) -> Verdict:
        return self.test(values.get(self.field))

    def fields(self) -> Iterable[Field]:
        return [self.field]


@frozen
class _Several:
    word: Word
    parts: Sequence[_Part]
    text: str

    def judge(self, values: Values) -> Verdict:
        decides = self.word == "any"
        verdict: Verdict = not decides
        for part in self.parts:
            judged = part.judge(values)
            if judged is decides:
                return decides
            if judged is None:
                verdict = None
        return verdict

    def fields(self) -> Iterable[Field]:
        return (each for part in self.parts for each in part.fields())


@frozen
class _Not:
    part: _Part
    text: str

    def judge(self, values: Values) -> Verdict:
        judged = self.part.judge(values)
        return None if judged is None else not judged

    def fields(self) -> Iterable[Field]:
        return self.part.fields()


def _several(word: Word, parts: Iterable[_Part]) -> _Part:
    """In one order, each part once, and without an ``all`` in an ``all``."""
    there: dict[str, _Part] = {}
    for part in parts:
        inner = part.parts if isinstance(part, _Several) and part.word == word else [part]
        there.update((each.text, each) for each in inner)
    if len(there) == 1:
        return next(iter(there.values()))
    texts = sorted(there)
    return _Several(word, [there[text] for text in texts], f'{{"{word}":[{",".join(texts)}]}}')


def _not(part: _Part) -> _Part:
    return part.part if isinstance(part, _Not) else _Not(part, f'{{"not":{part.text}}}')


@define
class _Reading:
    """Reads one document; `conditions` counts what was read of it."""

    conditions: int = 0

    def whole(self, document: object, where: str, depth: int) -> _Part:
        """All members of an object have to be true."""
        if depth > MAX_DEPTH:
            raise ValueError(f"{where}: expected at most {MAX_DEPTH} objects in objects")
        if not isinstance(document, Mapping) or not document:
            raise wrong(where, "an object with a condition", document)
        return _several("all", [self._member(name, value, where, depth) for name, value in document.items()])

    def _member(self, name: object, value: object, where: str, depth: int) -> _Part:
        if name == "not":
            return _not(self.whole(value, f"{where}.not", depth + 1))
        if name == "all" or name == "any":
            word: Word = name
            inner = f"{where}.{word}"
            listed = read_list(value, inner)
            return _several(
                word, [self.whole(each, f"{inner}[{index}]", depth + 1) for index, each in enumerate(listed)]
            )
        asked = parse_field(name) if isinstance(name, str) else None
        if asked is None:
            raise wrong(where, EXPECTED_FIELD, name)
        return self._conditions(asked, value, f"{where}.{name}")

    def _conditions(self, asked: Field, value: object, where: str) -> _Part:
        """What is said of one field."""
        if not isinstance(value, Mapping):
            value = {"in": value if isinstance(value, list | tuple) else [value]}
        elif not value:
            raise wrong(where, EXPECTED, value)
        return _several("all", [self._condition(asked, name, operand, where) for name, operand in value.items()])

    def _condition(self, asked: Field, name: object, operand: object, where: str) -> _Part:
        if name == "eq":
            name, operand = "in", [operand]
        if not isinstance(name, str) or name not in OPERATORS:
            raise wrong(where, EXPECTED, name)
        canonical = OPERATORS[name].read(operand, f"{where}.{name}")
        self.conditions += len(canonical) if isinstance(canonical, list) else 1
        if self.conditions > MAX_CONDITIONS:
            raise ValueError(f"{where}: expected at most {MAX_CONDITIONS} conditions and listed values in all")
        text = codec.encode({".".join(asked): {name: canonical}}).decode()
        return _Condition(asked, OPERATORS[name].test(canonical), text)
