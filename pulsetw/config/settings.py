"""What can be set. Each class is one table of the file; `docs/reference/configuration.md` lists the same for people."""

import re
from collections.abc import Collection, Mapping
from typing import ClassVar, Literal

from attrs import field, fields, frozen

from pulsetw.catalogue import Rule, check_name, check_pattern, is_pattern
from pulsetw.config import checks
from pulsetw.config.checks import between, both, checked, each
from pulsetw.errors import ChannelError, ConfigError

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB
_MANY = 10_000_000

_credentials = re.compile(r"(?<=://).*@|(?<=\?).*", re.DOTALL)


@frozen
class ServerSettings:
    """Where the relay listens, and what it is called.

    Attributes:
        listen: endpoint strings for clients; at least one.
        admin: endpoint strings for operators; none = no operator's port.
        admin_hosts: names and addresses, besides loopback's, by which the operator's port may be called: what stands
            in a request's Host, without the port.
        workers: processes that serve clients, 1 to 256; 1 = this one alone. More need a broker that they share.
        drain_s: over how many seconds clients are told to come back when the relay stops, 0 to 3600; 0 = all at once.
        server_id: names this relay in events, at most 100 characters; "" = made from the process id and the time.
    """

    SECTION: ClassVar[str] = "server"

    listen: tuple[str, ...] = field(
        default=("tcp:8080",), validator=checked(both(checks.not_empty, each(checks.endpoint)))
    )
    admin: tuple[str, ...] = field(default=("tcp:8081:interface=127.0.0.1",), validator=checked(each(checks.endpoint)))
    admin_hosts: tuple[str, ...] = field(default=(), validator=checked(each(checks.host)))
    workers: int = field(default=1, validator=checked(between(1, 256)))
    drain_s: float = field(default=20, validator=checked(between(0, 3600)))
    server_id: str = field(default="", validator=checked(checks.server_id))


def _shown_url(url: str) -> str:
    """The text for a `repr`: without user, password and query."""
    return repr(_credentials.sub("***", url))


@frozen
class BrokerSettings:
    """What carries events between servers.

    Attributes:
        url: ``memory://`` (this process alone), ``redis://``, ``rediss://`` (TLS), ``redis+unix://``,
            ``redis+sentinel://`` or ``rediss+sentinel://`` (TLS).
        prefix: stands before every channel's name in the broker, so that several systems can share one; "" = none.
        ca_file: a PEM file with the authorities that a ``rediss://`` server's certificate may come from; "" = the
            system's.
        max_reconnect_attempts: failed tries to connect after which the relay stops trying and says so in its health;
            0 = it never stops.
    """

    SECTION: ClassVar[str] = "broker"

    url: str = field(default="memory://", repr=_shown_url, validator=checked(checks.broker_url))
    prefix: str = field(default="", validator=checked(checks.prefix))
    ca_file: str = ""
    max_reconnect_attempts: int = field(default=0, validator=checked(between(0, _MANY)))


@frozen
class AuthSettings:
    """Who may come in.

    Attributes:
        anonymous: whether clients may come in without a name; ``named`` believes the name in ``?user=``, whoever
            says it: for demonstrations only.
        api_keys: any of them opens the operator's port; none = only programs on the same machine may use it.
        origins: web pages from there may connect; none = only those of the relay's own host and port.
    """

    SECTION: ClassVar[str] = "auth"

    anonymous: bool | Literal["named"] = True
    api_keys: tuple[str, ...] = field(default=(), repr=False, validator=checked(each(checks.api_key)))
    origins: tuple[str, ...] = field(default=(), validator=checked(each(checks.origin)))


@frozen
class CatalogueSettings:
    """Which channels are declared.

    Attributes:
        builtin: declares the four channels of a game's servers.
        modules: Python modules with more, each as a list of `pulsetw.catalogue.Channel` called ``CHANNELS``.
    """

    SECTION: ClassVar[str] = "catalogue"

    builtin: bool = True
    modules: tuple[str, ...] = field(default=(), validator=checked(each(checks.module)))


@frozen
class Limits:
    """How much anything may cost.

    Attributes:
        message_bytes: a client's message, at most 1 GiB; 0 = no limit.
        event_bytes: an event as it travels between servers, at most 1 GiB; 0 = no limit.
        connections: sockets on the clients' endpoints at the same time, HTTP ones too; 0 = no limit.
        channels_per_connection: subscriptions of one client at the same time; 0 = no limit.
        unsent_bytes: what may wait for one client, 1 KiB to 1 GiB; a client with more is slow.
        ping_s: after so many seconds of silence a client is asked for a sign of life, 1 to 3600.
        pong_s: for so many seconds it is waited for, 1 to 3600; no longer than `ping_s` in any case.
        ring_bytes: what a channel keeps in memory for clients that fall behind or come back, 1 KiB to 1 GiB.
        rings_bytes: what all channels keep together, 1 KiB to 1 TiB; past it the idlest channels forget first.
        request_head_bytes: the head of an HTTP request, on either port, 1 KiB to 1 MiB.
        request_head_s: in so many seconds it must be there on the public port, 0.1 to 3600.
        body_bytes: the body of a request on the operator's port, 1 KiB to 1 GiB.
        batch_events: events in one batch on the operator's port, 1 to 100 000.
        publish_retry_ms: the wait before each retry of a publish, each 1 to 60 000 ms; none = no retries.
        outbox_events: events that may wait for the broker, on channels with ``outage = "local"``, 1 to 10 000 000.
        outbox_bytes: their bytes, 1 KiB to 1 GiB.
        waiting_publishes: publishes that may wait for a channel's turn while one before them is retried,
            1 to 1 000 000.
    """

    SECTION: ClassVar[str] = "limits"

    message_bytes: int = field(default=64 * _KIB, validator=checked(between(0, _GIB)))
    event_bytes: int = field(default=64 * _KIB, validator=checked(between(0, _GIB)))
    connections: int = field(default=100_000, validator=checked(between(0, _MANY)))
    channels_per_connection: int = field(default=128, validator=checked(between(0, _MANY)))
    unsent_bytes: int = field(default=64 * _KIB, validator=checked(between(_KIB, _GIB)))
    ping_s: int = field(default=25, validator=checked(between(1, 3600)))
    pong_s: int = field(default=10, validator=checked(between(1, 3600)))
    ring_bytes: int = field(default=64 * _KIB, validator=checked(between(_KIB, _GIB)))
    rings_bytes: int = field(default=256 * _MIB, validator=checked(between(_KIB, 1024 * _GIB)))
    request_head_bytes: int = field(default=16 * _KIB, validator=checked(between(_KIB, _MIB)))
    request_head_s: float = field(default=5, validator=checked(between(0.1, 3600)))
    body_bytes: int = field(default=_MIB, validator=checked(between(_KIB, _GIB)))
    batch_events: int = field(default=1000, validator=checked(between(1, 100_000)))
    publish_retry_ms: tuple[int, ...] = field(default=(100, 200, 400), validator=checked(each(between(1, 60_000))))
    outbox_events: int = field(default=10_000, validator=checked(between(1, _MANY)))
    outbox_bytes: int = field(default=16 * _MIB, validator=checked(between(_KIB, _GIB)))
    waiting_publishes: int = field(default=1000, validator=checked(between(1, 1_000_000)))


def rule_key(name: str) -> str:
    """The full key of a channel's rule."""
    return f'channels."{name[:200]}"'


def _check_rules(_instance: object, _attribute: object, rules: Mapping[str, Rule]) -> None:
    for name, rule in rules.items():
        check_rule(name, rule, [member.name for member in fields(Rule) if getattr(rule, member.name) != member.default])


def check_rule(name: str, rule: Rule, given: Collection[str]) -> None:
    """Checks a rule and its name.

    Args:
        name: of the channel, or a pattern.
        rule: its rule.
        given: which of its settings somebody chose, be it the default: they must have an effect.

    Raises:
        ConfigError: names the key, what was found and what was expected.
    """
    key = rule_key(name)
    try:
        (check_pattern if is_pattern(name) else check_name)(name)
    except ChannelError as error:
        raise ConfigError(key, error.problem) from None
    between(0, 100_000)(f"{key}.history_size", rule.history_size)
    between(1, 2_592_000)(f"{key}.history_age_s", rule.history_age_s)
    if not rule.history_size:
        for member in ("history_age_s", "ack", "strict", "mirror"):
            # "fast" is true of a channel without a history, too.
            if member in given and (member, rule.ack) != ("ack", "fast"):
                raise ConfigError(f"{key}.{member}", "has no effect: expected a history_size beside it, found 0")
    elif "strict" in given and rule.ack != "fast":
        raise ConfigError(f"{key}.strict", f'has no effect: expected ack = "fast" beside it, found "{rule.ack}"')


def _check_workers(config: "Config", _attribute: object, broker: BrokerSettings) -> None:
    if config.server.workers > 1 and broker.url == "memory://":
        raise ConfigError(
            "server.workers",
            f"{config.server.workers} processes would not hear each other on memory://: "
            "expected another broker.url, such as redis://127.0.0.1:6379",
        )


@frozen
class Config:
    """All settings of one relay.

    Attributes:
        channels: from channel name or pattern to its rule.

    Raises:
        ConfigError: by each of its parts when it is made; names the key, what was found and what was expected.
    """

    server: ServerSettings = field(factory=ServerSettings)
    broker: BrokerSettings = field(factory=BrokerSettings, validator=_check_workers)
    auth: AuthSettings = field(factory=AuthSettings)
    catalogue: CatalogueSettings = field(factory=CatalogueSettings)
    channels: Mapping[str, Rule] = field(factory=dict, validator=_check_rules)
    limits: Limits = field(factory=Limits)


SECTIONS: dict[str, type] = {
    kind.SECTION: kind for kind in (ServerSettings, BrokerSettings, AuthSettings, CatalogueSettings, Limits)
}
"""The tables of the file with settings of fixed names; ``channels`` is the other one."""
