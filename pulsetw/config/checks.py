"""What a setting may be: functions of its full key and its value, which raise `ConfigError` or return nothing.

They run whenever a settings class is made, so that an application which embeds a relay hears the same words as one who
writes a file. None of them shows a value that may hold a secret.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpointStringParser
from twisted.plugin import getPlugins

from pulsetw.catalogue import check_name
from pulsetw.errors import ChannelError, ConfigError
from pulsetw.policy.origin import check_origin

T = TypeVar("T")
Check = Callable[[str, T], None]

BROKER_SCHEMES = ("memory", "redis", "rediss", "redis+unix", "redis+sentinel", "rediss+sentinel")

_host_name = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE
)
_server_id = re.compile(r"[A-Za-z0-9_.:@-]{0,100}")
_scheme = re.compile(r"[a-z][a-z0-9+.-]{0,20}", re.IGNORECASE)
_module = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

# Their parsers touch neither the reactor nor the disk; those of the others wait until the relay listens.
_PARSED_KINDS = frozenset({"tcp", "tcp6", "unix"})


def checked(check: Check[T]) -> Callable[[Any, "attrs.Attribute[Any]", T], None]:
    """An attrs validator for a field of a class with a `SECTION`."""

    def validate(instance: Any, attribute: "attrs.Attribute[Any]", value: T) -> None:
        check(f"{instance.SECTION}.{attribute.name}", value)

    return validate


def each(check: Check[T]) -> Check[Sequence[T]]:
    """The same check for every element of a list."""

    def run(key: str, values: Sequence[T]) -> None:
        for index, value in enumerate(values):
            check(f"{key}[{index}]", value)

    return run


def both(first: Check[T], second: Check[T]) -> Check[T]:
    """One check, then the other."""

    def run(key: str, value: T) -> None:
        first(key, value)
        second(key, value)

    return run


def between(low: float, high: float) -> Check[float]:
    """A number from `low` to `high`, both allowed."""

    def run(key: str, value: float) -> None:
        # Written so that nan, of which every comparison is false, is refused.
        if not low <= value <= high:
            raise ConfigError(key, f"expected a number from {low:,} to {high:,}, found {value}")

    return run


def not_empty(key: str, values: Sequence[object]) -> None:
    """A list with at least one element."""
    if not values:
        raise ConfigError(key, "expected at least one, found none")


def endpoint(key: str, text: str) -> None:
    """A server endpoint string of Twisted's, as far as it can be read without a reactor."""
    kind = text.partition(":")[0]
    known = {"tcp", "unix", "ssl", *(parser.prefix for parser in getPlugins(IStreamServerEndpointStringParser))}
    problem = ""
    if kind not in known:
        problem = f"there is no endpoint of type {kind!r}"
    elif kind in _PARSED_KINDS:
        try:
            serverFromString(object(), text)
        except (ValueError, TypeError) as error:
            problem = str(error).removeprefix("_parse")
    if problem:
        raise ConfigError(
            key, f"expected an endpoint such as tcp:8080 or tcp:8081:interface=127.0.0.1, found {text!r}: {problem}"
        )


def host(key: str, text: str) -> None:
    """A bare host name or address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not _host_name.fullmatch(text):
            raise ConfigError(
                key, f"expected a host's name or address, without scheme and port, found {text!r}"
            ) from None


def server_id(key: str, text: str) -> None:
    """An id that can stand in envelopes, keys and logs."""
    if not _server_id.fullmatch(text):
        raise ConfigError(key, f"expected at most 100 of A-Z a-z 0-9 _ . : @ -, found {text!r}")


def broker_url(key: str, url: str) -> None:
    """A URL with the scheme of a broker that there is; the broker reads the rest."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in BROKER_SCHEMES:
        expected = ", ".join(f"{known}://" for known in BROKER_SCHEMES)
        # Without a scheme any part of the text may be the password.
        found = f"{scheme}://" if separator and _scheme.fullmatch(scheme) else "a URL without one"
        raise ConfigError(key, f"expected a URL with one of the schemes {expected}; found {found}")
    if scheme == "memory" and rest:
        raise ConfigError(key, "expected memory:// alone, found more behind it")


def prefix(key: str, text: str) -> None:
    """What can stand before every channel's name; may be empty."""
    if text:
        try:
            check_name(text)
        except ChannelError as error:
            raise ConfigError(key, f"found {text!r}: {error.problem}") from None


def origin(key: str, text: str) -> None:
    """Where web pages may come from."""
    try:
        check_origin(text)
    except ValueError as error:
        raise ConfigError(key, str(error)) from None


def module(key: str, text: str) -> None:
    """The dotted name of a Python module."""
    if not _module.fullmatch(text):
        raise ConfigError(key, f"expected a Python module's name such as shop.channels, found {text!r}")


def api_key(key: str, text: str) -> None:
    """A key that fits a header; an empty one would open the door to everybody."""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(key, "expected printable ASCII characters without spaces, at least one")
