"""From a file, the environment and the command line to one `Config`."""

import tomllib
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from pulsetw import codec
from pulsetw.catalogue import Rule
from pulsetw.config.environment import read_environment
from pulsetw.config.known import HINTS, Given, nearest, nearest_key, no_such
from pulsetw.config.settings import SECTIONS, Config, check_rule, rule_key
from pulsetw.errors import ConfigError, EventError

_TABLES = (*SECTIONS, "channels")
_RULE_HINTS = typing.get_type_hints(Rule)


def load(path: str | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Config:
    """The settings of a relay.

    Args:
        path: a TOML file; None = there is none.
        environ: environment variables; they win over the file.
        flags: from full keys such as ``server.listen`` to values of the settings' types; they win over both.

    Raises:
        ConfigError: the first mistake found: the key (or the file, or the variable), what was found, what was expected.
    """
    document = _read_file(Path(path)) if path is not None else {}
    with _read_from(path or ""):
        rules = _rules(document)
        given = list(_settings(document, path or ""))
    given += read_environment(environ, url_is_given="broker.url" in flags)
    given += [Given(key, value, "the command line", lax=True) for key, value in flags.items()]
    values: dict[str, tuple[object, str]] = {}
    for setting in given:
        if setting.key not in HINTS:
            raise _unknown(setting)
        values[setting.key] = (_convert(setting, HINTS[setting.key]), setting.origin)
    return _build(values, rules)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"is not UTF-8: byte {error.start + 1}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), f"is not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(str(path), "is nested too deeply") from None


def _settings(document: Mapping[str, object], path: str) -> Iterator[Given]:
    """The file's settings, but for the channels' rules."""
    for section, table in document.items():
        if section not in _TABLES:
            meant = nearest(section, _TABLES) or nearest_key(f".{section}")
            raise ConfigError(section, no_such("table", meant, f"there are: {', '.join(_TABLES)}"))
        members = _table(section, table)
        if section != "channels":
            yield from (Given(f"{section}.{name}", value, path) for name, value in members.items())


def _rules(document: Mapping[str, object]) -> dict[str, Rule]:
    """The channels' rules, which only the file can have."""
    rules = {}
    for name, table in _table("channels", document.get("channels", {})).items():
        key = rule_key(name)
        members = _table(key, table)
        for member in members:
            if member not in _RULE_HINTS:
                meant = nearest(member, _RULE_HINTS) or nearest_key(f".{member}")
                raise ConfigError(f"{key}.{member}", no_such("setting", meant, f"a rule has: {', '.join(_RULE_HINTS)}"))
        rules[name] = Rule(
            **{
                member: _convert(Given(f"{key}.{member}", value), _RULE_HINTS[member])
                for member, value in members.items()
            }
        )
        check_rule(name, rules[name], members)
    return rules


def _table(key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(key, f"expected a table, found {type(value).__name__}")
    return value


def _unknown(setting: Given) -> ConfigError:
    section = setting.key.partition(".")[0]
    known = ", ".join(name.partition(".")[2] for name in HINTS if name.startswith(f"{section}."))
    problem = no_such("setting", nearest_key(setting.key), f"{section} has: {known}")
    return ConfigError(setting.key, problem + _source(setting.origin))


def _convert(setting: Given, hint: Any) -> Any:
    """The value in the setting's own type."""
    try:
        return codec.convert(setting.value, hint, lax=setting.lax)
    except EventError as error:
        problem = error.problem
        if choices := _choices(hint):
            problem = f"expected {choices}, found {setting.value!r}"
        raise ConfigError(setting.key + error.field, problem + _source(setting.origin)) from None


def _choices(hint: Any) -> str:
    """The words of a setting that takes only some; "" for every other one."""
    options = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(f'"{option}"' for option in options)
    words = [_choices(option).removeprefix("one of ") for option in options]
    return "one of " + ", ".join(["true", "false", *filter(None, words)]) if bool in options else ""


@contextmanager
def _read_from(origin: str) -> Iterator[None]:
    """Adds to an error where its setting stood."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(error.key, error.problem + _source(origin)) from None


def _source(origin: str) -> str:
    return f" (from {origin})" if origin else ""


def _build(values: Mapping[str, tuple[object, str]], rules: Mapping[str, Rule]) -> Config:
    try:
        parts = {
            section: kind(
                **{
                    attribute.name: values[key][0]
                    for attribute in attrs.fields(kind)
                    if (key := f"{section}.{attribute.name}") in values
                }
            )
            for section, kind in SECTIONS.items()
        }
        return Config(channels=rules, **parts)
    except ConfigError as error:
        origin = values.get(error.key.partition("[")[0], (None, ""))[1]
        raise ConfigError(error.key, error.problem + _source(origin)) from None
