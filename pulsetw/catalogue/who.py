"""Who may do something with a channel, as rules say it."""

import re
from collections.abc import Mapping, Sequence

from attrs import field, frozen

MAX_WORDS = 100
"""In one list."""

MAX_WORD_CHARACTERS = 200

_CLAIM = "claim:"
_EXPECTED = '"nobody", "everybody", "users", "token", "claim:<name>" or "claim:<name>=<value>"'
_whole = re.compile(r"-?[0-9]+")
_decimal = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@frozen
class Claim:
    """A claim that a token must have.

    Attributes:
        name: of a claim, which may have dots in it; where no claim is called so, the path to one inside of others.
        value: what the claim must be, or, where it is a list, must have; None = anything but false, null, 0 and what
            is empty.
    """

    name: str
    value: str | None = None
    _number: float | None = field(init=False, repr=False, eq=False)

    @_number.default
    def _as_number(self) -> float | None:
        text = self.value or ""
        # A float could not tell whole numbers beyond 2^53 apart.
        return int(text) if _whole.fullmatch(text) else float(text) if _decimal.fullmatch(text) else None

    def holds(self, claims: Mapping[str, object]) -> bool:
        """Whether a token with these claims has it."""
        found = self._find(claims)
        if self.value is None:
            return bool(found)
        return any(map(self._is_value, found)) if isinstance(found, list | tuple) else self._is_value(found)

    def _find(self, claims: Mapping[str, object]) -> object:
        if self.name in claims:
            return claims[self.name]
        found: object = claims
        for step in self.name.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def _is_value(self, found: object) -> bool:
        """In the type of what the token has: a rule has texts only."""
        if isinstance(found, bool):
            return self.value == ("true" if found else "false")
        if isinstance(found, int | float):
            return self._number is not None and self._number == found
        return isinstance(found, str) and self.value == found


@frozen
class Who:
    """Some clients: all that one of these names; without any, nobody.

    Attributes:
        everybody: all.
        users: those whose name is known.
        token: those whose token has the channel on its own list for what they want to do.
        claims: those whose token has one of these.
    """

    everybody: bool = False
    users: bool = False
    token: bool = False
    claims: frozenset[Claim] = frozenset()


NOBODY = Who()
EVERYBODY = Who(everybody=True)


def parse_who(value: str | Sequence[str]) -> Who:
    """What a rule says, as one word or as a list of words, any of which is enough.

    Raises:
        ValueError: names the word that is wrong, and what was expected.
    """
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        raise ValueError(f"expected {_EXPECTED}, or a list of these, found {type(value).__name__}")  # noqa: TRY004
    if not 1 <= len(words) <= MAX_WORDS:
        raise ValueError(f"expected 1 to {MAX_WORDS} of {_EXPECTED}, found {len(words)}")
    claims = frozenset(claim for word in words if (claim := _claim(word)) is not None)
    for alone in ("nobody", "everybody"):
        if alone in words and len(words) > 1:
            raise ValueError(f'"{alone}" stands alone: beside it the others have no effect')
    return Who("everybody" in words, "users" in words, "token" in words, claims)


def _claim(word: object) -> Claim | None:
    """The claim that a word asks for; None where it is one of the others."""
    if word in ("nobody", "everybody", "users", "token"):
        return None
    if not isinstance(word, str):
        raise ValueError(f"expected {_EXPECTED}, found {type(word).__name__}")  # noqa: TRY004
    name, separator, value = word.removeprefix(_CLAIM).partition("=")
    if not word.startswith(_CLAIM):
        problem = f"expected {_EXPECTED}"
    elif len(word) > MAX_WORD_CHARACTERS or not word.isprintable():
        problem = f"expected at most {MAX_WORD_CHARACTERS} printable characters"
    elif not name or name != name.strip() or not all(name.split(".")):
        problem = 'expected a claim\'s name after "claim:", such as role or app.role'
    elif separator and (not value or value != value.strip()):
        problem = 'expected a value after "=", without spaces around it'
    else:
        return Claim(name, value if separator else None)
    raise ValueError(f"{problem}, found {word[:MAX_WORD_CHARACTERS]!r}")
