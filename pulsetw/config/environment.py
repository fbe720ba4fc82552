"""Settings from environment variables.

``PULSETW_<TABLE>_<KEY>`` sets ``table.key``; the elements of a list stand apart by spaces. ``REDIS_URL``, or
``REDIS_HOST`` with ``REDIS_PORT``, ``REDIS_PASSWORD`` and ``REDIS_DB``, sets ``broker.url``. An empty variable counts
as none.

In Kubernetes a service called "pulsetw" puts ``PULSETW_SERVICE_HOST``, ``PULSETW_PORT_8080_TCP_ADDR`` and the like
into every pod, and one called "redis" makes ``REDIS_PORT`` a URL: these are no settings, and are passed over.
"""

import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from pulsetw.config.known import HINTS, VARIABLES, Given, nearest, nearest_key, no_such
from pulsetw.config.settings import SECTIONS
from pulsetw.errors import ConfigError

_service_link = re.compile(
    r"PULSETW(_[A-Z0-9]+)*?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
_NAMES = {key: name for name, key in VARIABLES.items()}

# Other programs' variables may begin with PULSETW_ too; only what is this near to a setting is a typing mistake.
_NEARLY_THE_SAME = 0.85


def read_environment(environ: Mapping[str, str], *, url_is_given: bool) -> Iterator[Given]:
    """The settings that the variables make.

    Args:
        environ: such as `os.environ`.
        url_is_given: the command line has the broker's URL: variables for Redis do not count, nor do their mistakes.

    Raises:
        ConfigError: a variable is nearly a setting's; or those for Redis do not go together.
    """
    present = {name: value for name, value in environ.items() if value}
    if not url_is_given and "PULSETW_BROKER_URL" not in present:
        yield from _redis(present)
    for name, text in present.items():
        if name in VARIABLES:
            key = VARIABLES[name]
            yield Given(key, _as_value(text, HINTS[key]), name, lax=True)
        elif name.startswith("PULSETW_") and not _service_link.fullmatch(name):
            _refuse_mistake(name)


def _as_value(text: str, hint: Any) -> object:
    return text.split() if typing.get_origin(hint) is tuple else text


def _refuse_mistake(name: str) -> None:
    if name.startswith("PULSETW_CHANNELS_"):
        raise ConfigError(name, "no variable sets a channel's rule; it stands in the file")
    for section in SECTIONS:
        table = f"PULSETW_{section.upper()}_"
        if name.startswith(table):
            meant = nearest_key(f"{section}.{name.removeprefix(table).lower()}")
            raise ConfigError(name, no_such("setting", _NAMES.get(meant, "")))
    if meant := nearest(name, VARIABLES, _NEARLY_THE_SAME):
        raise ConfigError(name, no_such("setting", meant))


def _redis(environ: Mapping[str, str]) -> Iterator[Given]:
    """The broker's URL from the variables that are usual for Redis."""
    if url := environ.get("REDIS_URL"):
        yield Given("broker.url", url, "REDIS_URL", lax=True)
        return
    port, password, database = (environ.get(f"REDIS_{part}", "") for part in ("PORT", "PASSWORD", "DB"))
    port = "" if "://" in port else port
    host = environ.get("REDIS_HOST", "")
    if host:
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        account = f":{quote(password, safe='')}@" if password else ""
        number = _number("REDIS_PORT", port or "6379", 1, 65535)
        url = f"redis://{account}{host}:{number}/{_number('REDIS_DB', database or '0', 0, 1_000_000)}"
        yield Given("broker.url", url, "REDIS_HOST", lax=True)
        return
    alone = [f"REDIS_{part}" for part, text in (("PORT", port), ("PASSWORD", password), ("DB", database)) if text]
    if alone:
        raise ConfigError(
            "broker.url", f"{alone[0]} is set without REDIS_HOST; set REDIS_HOST too, or put all of it in REDIS_URL"
        )


def _number(name: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise ConfigError("broker.url", f"{name} is {text!r}; expected a whole number from {low} to {high}")
    return int(text)
