"""The names that settings have, what is given for them, and the nearest one to a name that none has."""

import difflib
import typing
from collections.abc import Iterable
from typing import Any

import attrs
from attrs import frozen

from pulsetw.config.settings import SECTIONS

HINTS: dict[str, Any] = {
    f"{section}.{attribute.name}": typing.get_type_hints(kind)[attribute.name]
    for section, kind in SECTIONS.items()
    for attribute in attrs.fields(kind)
}
"""From the full key of each setting to its type."""

VARIABLES: dict[str, str] = {f"PULSETW_{key.replace('.', '_').upper()}": key for key in HINTS}
"""From the environment variable of each setting to its full key."""


@frozen
class Given:
    """One setting from outside.

    Attributes:
        key: its full name.
        value: not checked yet.
        origin: where it stood, for an error's text.
        lax: texts may stand for numbers and booleans.
    """

    key: str
    value: object
    origin: str = ""
    lax: bool = False


def nearest_key(key: str) -> str:
    """The setting, of any table, whose name is like this one's; "" where none is."""
    by_word = {known.partition(".")[2]: known for known in HINTS}
    return by_word.get(nearest(key.partition(".")[2], by_word), "")


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The name that is most like this one; "" where none is.

    Args:
        name: what was found.
        known: what could have been meant.
        cutoff: how much alike they must be, 0 to 1.
    """
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)), "")


def no_such(thing: str, meant: str, otherwise: str = "") -> str:
    """An error's text for a name that nothing has.

    Args:
        thing: what it was taken for.
        meant: what it should be, perhaps; "" = not known.
        otherwise: what could help then.
    """
    help_text = f"did you mean {meant}?" if meant else otherwise
    return f"there is no such {thing}" + (f"; {help_text}" if help_text else "")
