"""How to reach Redis, and how patient to be with it."""

import re
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from attrs import field, frozen

from pulsetw.catalogue.names import RESERVED
from pulsetw.errors import ConfigError
from pulsetw.policy.backoff import Backoff

_KEY = "broker.url"
_TCP_FORM = "expected redis://[user[:password]@]host[:port][/db], or rediss:// for TLS"
_UNIX_FORM = "expected redis+unix://[user[:password]@]/path/to.sock[?db=n]"
_SENTINEL_FORM = (
    "expected redis+sentinel://[user[:password]@]host[:port][,host[:port]...]/service[/db]"
    "[?sentinel_user=...&sentinel_password=...] such as redis+sentinel://10.0.0.1,10.0.0.2:26380/mymaster, "
    "or rediss+sentinel:// for TLS"
)
_ESCAPES = "in user names and passwords / ? # @ : % are written %2F %3F %23 %40 %3A %25"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_SENTINEL = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:%@,;]*))(?::(.*))?")
_PORT = re.compile(r"[0-9]{1,5}")
_SCHEMES = ("redis", "rediss", "redis+unix", "redis+sentinel", "rediss+sentinel")
_PREFIX = re.compile(r"[A-Za-z0-9_\-=@.;:#$!/]{0,100}")


@frozen
class RedisOptions:
    """Where Redis is, who we are to it, and the limits of both connections.

    Attributes:
        host: a name or an address; "" where `path` or `sentinels` are used.
        port: 1 to 65535.
        path: of a unix socket; "" = TCP.
        db: the database's number. Pub/sub does not know databases; heartbeat keys do.
        user: of an ACL; "" = the default user.
        password: "" = none, where there is no user either.
        tls: whether the connection is encrypted, and the server's name checked.
        server_name: the name that every certificate must carry; "" = the host that is connected to.
        ca_file: a PEM file with the authorities to trust; "" = those of the system.
        sentinels: host and port of each Sentinel to ask for the master; empty = Redis is at `host` or `path`.
        service: the master's name at the Sentinels; "" without them.
        sentinel_user: of the Sentinels' own ACL; "" = the default user.
        sentinel_password: of the Sentinels themselves; "" = none, where there is no user either.
        prefix: stands before the names of all channels on Redis; see `from_url`.
        heartbeat_s: from one heartbeat to the next, in seconds.
        reply_timeout_s: the longest wait for a heartbeat to come round, and for the answer to each step of setting up
            a connection, in seconds. A publish is answered or given up within `heartbeat_s` + `reply_timeout_s`.
        connect_timeout_s: the longest wait for a connection to stand, in seconds.
        max_in_flight: how many publishes may wait for their answers; more are refused.
        max_in_flight_bytes: how many bytes of payload may wait for their answers; more are refused.
        max_reconnect_attempts: after so many failed tries in a row nothing more is tried; 0 = no end.
        backoff: the waits between tries.
    """

    host: str = "localhost"
    port: int = 6379
    path: str = ""
    db: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    server_name: str = ""
    ca_file: str = ""
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_user: str = ""
    sentinel_password: str = field(default="", repr=False)
    prefix: str = ""
    heartbeat_s: float = 0.5
    reply_timeout_s: float = 1.0
    connect_timeout_s: float = 2.0
    max_in_flight: int = 10_000
    max_in_flight_bytes: int = 16 * 1024 * 1024
    max_reconnect_attempts: int = 0
    # A fleet that tries every two seconds costs Redis nothing; a relay that waits ten costs its clients ten.
    backoff: Backoff = field(factory=lambda: Backoff(max_s=2.0))

    @classmethod
    def from_url(cls, url: str, *, prefix: str = "", ca_file: str = "", server_name: str = "") -> "RedisOptions":
        """The options that a URL stands for, with default timings (`attrs.evolve` changes them).

        Args:
            url: ``redis://[user[:password]@]host[:port][/db]``, ``rediss://…`` for TLS,
                ``redis+unix://[user[:password]@]/path/to.sock[?db=n]``, or
                ``redis+sentinel://[user[:password]@]host[:port][,host[:port]...]/service[/db]``, with
                ``rediss+sentinel://…`` for TLS to Sentinels and Redis alike. The credentials are those of Redis, the
                Sentinels' own are ``?sentinel_user=…&sentinel_password=…``. User and password are percent-encoded.
            prefix: the tenant's: up to 100 characters of a channel's name. Neither it nor a channel's name behind it
                may run into ``pulsetw:``.
            ca_file: see the attribute; for TLS only.
            server_name: see the attribute; for TLS only.

        Raises:
            ConfigError: for ``broker.url``, ``broker.prefix``, ``broker.ca_file`` or ``broker.server_name``, with
                what was expected. It repeats nothing of the URL, so that no password gets into a log.
        """
        _check_prefix(prefix)
        parts = _split(url)
        if parts.scheme == "redis+unix":
            options = cls(**_unix_fields(parts)._asdict(), prefix=prefix)
        elif parts.scheme.endswith("+sentinel"):
            fields = _sentinel_fields(parts)._asdict()
            options = cls(**fields, prefix=prefix, ca_file=ca_file, server_name=server_name)
        else:
            options = cls(**_tcp_fields(parts)._asdict(), prefix=prefix, ca_file=ca_file, server_name=server_name)
        for key, value in (("broker.ca_file", ca_file), ("broker.server_name", server_name)):
            if value and not options.tls:
                raise ConfigError(key, "is for TLS only; expected a rediss:// or rediss+sentinel:// URL with it")
        return options

    @property
    def display_url(self) -> str:
        """The URL without the password: for people, logs and health."""
        user = f"{self.user}@" if self.user else ""
        if self.path:
            return f"redis+unix://{user}{self.path}" + (f"?db={self.db}" if self.db else "")
        scheme, db = f"redis{'s' * self.tls}", f"/{self.db}" if self.db else ""
        if self.sentinels:
            hosts = ",".join(_shown(*sentinel) for sentinel in self.sentinels)
            return f"{scheme}+sentinel://{user}{hosts}/{self.service}{db}"
        return f"{scheme}://{user}{_shown(self.host, self.port)}{db}"


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _TcpFields(NamedTuple):
    host: str
    port: int
    db: int
    user: str
    password: str
    tls: bool


class _UnixFields(NamedTuple):
    host: str
    path: str
    db: int
    user: str
    password: str


class _SentinelFields(NamedTuple):
    host: str
    sentinels: tuple[tuple[str, int], ...]
    service: str
    db: int
    user: str
    password: str
    sentinel_user: str
    sentinel_password: str
    tls: bool


def _check_prefix(prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        raise ConfigError("broker.prefix", "expected at most 100 of A-Z a-z 0-9 _ - = @ . ; : # $ ! /")
    if prefix and (prefix.startswith(RESERVED) or RESERVED.startswith(prefix)):
        raise ConfigError("broker.prefix", f"expected a prefix under which no name can begin with {RESERVED}")


def _split(url: str) -> SplitResult:
    scheme = url.partition("://")[0].lower()
    form = _SENTINEL_FORM if scheme.endswith("+sentinel") else _UNIX_FORM if scheme == "redis+unix" else _TCP_FORM
    if _UNPRINTABLE.search(url):
        raise ConfigError(_KEY, f"{form}, without spaces and control characters; {_ESCAPES}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigError(_KEY, f"{form}; an IPv6 address stands in [brackets]; {_ESCAPES}") from None
    if parts.scheme not in _SCHEMES or not url[len(parts.scheme) :].startswith("://"):
        raise ConfigError(_KEY, "expected memory://, " + ", ".join(f"{scheme}://" for scheme in _SCHEMES))
    if parts.fragment:
        raise ConfigError(_KEY, f"{form}, and nothing behind a #; {_ESCAPES}")
    return parts


def _tcp_fields(parts: SplitResult) -> _TcpFields:
    user, password = _credentials(parts)
    if parts.query:
        raise ConfigError(_KEY, f"{_TCP_FORM}, and nothing behind a ?; {_ESCAPES}")
    try:
        port = 6379 if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not 1 <= port <= 65535:
        raise ConfigError(_KEY, f"{_TCP_FORM}; a port is a number from 1 to 65535; {_ESCAPES}")
    if not parts.hostname or "%" in parts.hostname:
        raise ConfigError(_KEY, f"{_TCP_FORM}; the host is missing or has a % in it; {_ESCAPES}")
    return _TcpFields(parts.hostname, port, _db(parts.path[1:], _TCP_FORM), user, password, parts.scheme == "rediss")


def _unix_fields(parts: SplitResult) -> _UnixFields:
    user, password = _credentials(parts)
    if parts.netloc.rpartition("@")[2]:
        raise ConfigError(_KEY, f"{_UNIX_FORM}: no host, and three slashes before the path; {_ESCAPES}")
    path = _decoded(parts.path)
    if len(path) < 2:
        raise ConfigError(_KEY, f"{_UNIX_FORM}; the path is missing")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    db = _db(query.pop("db", ""), _UNIX_FORM)
    if query:
        raise ConfigError(_KEY, f"{_UNIX_FORM}; db is all that a ? can be followed by; {_ESCAPES}")
    return _UnixFields("", path, db, user, password)


def _sentinel_fields(parts: SplitResult) -> _SentinelFields:
    user, password = _credentials(parts)
    hosts = parts.netloc.rpartition("@")[2].lower()
    sentinels = tuple(_sentinel(number, text) for number, text in enumerate(hosts.split(","), 1))
    service, _, db = parts.path[1:].partition("/")
    service = _decoded(service)
    if not service or _UNPRINTABLE.search(service):
        problem = "the service, the master's name at the Sentinels, is missing or has a space in it"
        raise ConfigError(_KEY, f"{_SENTINEL_FORM}; {problem}; {_ESCAPES}")
    query: dict[str, str] = {}
    for word in parts.query.split("&") if parts.query else ():
        name, _, value = word.partition("=")
        # Not parse_qsl: it reads a + as a space.
        if name not in ("sentinel_user", "sentinel_password") or name in query:
            raise ConfigError(_KEY, f"{_SENTINEL_FORM}; nothing else can follow a ?, and each once; {_ESCAPES}")
        query[name] = _decoded(value)
    own = query.get("sentinel_user", ""), query.get("sentinel_password", "")
    tls = parts.scheme == "rediss+sentinel"
    return _SentinelFields("", sentinels, service, _db(db, _SENTINEL_FORM), user, password, *own, tls)


def _sentinel(number: int, text: str) -> tuple[str, int]:
    found = _SENTINEL.fullmatch(text)
    host = found and (found[1] or found[2])
    if found is None or not host:
        problem = f"the host of Sentinel {number} is missing, or is no name or address; IPv6 stands in [brackets]"
        raise ConfigError(_KEY, f"{_SENTINEL_FORM}; {problem}; {_ESCAPES}")
    port = "26379" if found[3] is None else found[3]
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        problem = f"the port of Sentinel {number} is no number from 1 to 65535; the service follows a /"
        raise ConfigError(_KEY, f"{_SENTINEL_FORM}; {problem}; {_ESCAPES}")
    return host, int(port)


def _credentials(parts: SplitResult) -> tuple[str, str]:
    # Not parts.username and parts.password: they take a second @ as part of the password without a word.
    before, _, _ = parts.netloc.rpartition("@")
    if "@" in before or before.count(":") > 1:
        raise ConfigError(_KEY, f"expected [user[:password]@] before the host; {_ESCAPES}")
    user, _, password = before.partition(":")
    return _decoded(user), _decoded(password)


def _decoded(text: str) -> str:
    decoded = unquote(text, errors="replace")
    if _BAD_ESCAPE.search(text) or "\ufffd" in decoded or "\x00" in decoded:
        raise ConfigError(_KEY, f"expected UTF-8 and only whole escapes such as %2F; {_ESCAPES}")
    return decoded


def _db(text: str, form: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ConfigError(_KEY, f"{form}; db is a whole number from 0 on")
    return int(text)
