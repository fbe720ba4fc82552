"""A master, two replicas and three Sentinels of the test's own."""

import subprocess
from pathlib import Path
from typing import Self
from urllib.parse import quote

import trustme
from twisted.internet.threads import deferToThread

from tests.integration.processes import free_port
from tests.integration.proxy import Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

SERVICE = "main"
DOWN_AFTER_MS = 1000


class Sentinel(RedisServer):
    """A Sentinel on a free port of the loopback, or on a unix socket; ended by its own process id.

    Args:
        master_port: the master's.
        lines: more lines of its configuration.
        unix: listen on a unix socket, and where `lines` say.
    """

    def __init__(self, master_port: int, *lines: str, unix: bool = False) -> None:
        self._master_port = master_port
        self._lines = lines
        super().__init__(unix=unix)

    def start(self) -> None:
        """Starts it; returns when it watches the master."""
        config = self.folder / "sentinel.conf"
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            *([f"unixsocket {self.path}"] if self.path else []),
            f"dir {self.folder}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {self._master_port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} 3000",
            *self._lines,
        ]
        config.write_text("".join(f"{line}\n" for line in lines))
        self._process = subprocess.Popen(
            ["redis-server", str(config), "--sentinel"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        if not any("+monitor" in line for line in self._process.stdout):
            raise AssertionError("the Sentinel did not start")


class Guarded:
    """The servers, and the Sentinels that watch them.

    Attributes:
        servers: the first is the master to begin with.
        proxy: before the first master, for everybody, relays, replicas and Sentinels; None = nothing is.

    Args:
        config: of the servers; see `RedisServer`.
    """

    def __init__(self, **config: str) -> None:
        self.servers = [self._server({"repl_diskless_sync_delay": "0", **config}) for _ in range(3)]
        self.sentinels: list[Sentinel] = []
        self.proxy: Proxy | None = None
        self._first_port = self.servers[0].port

    async def start(self, *, proxied: bool = False) -> Self:
        """Fires when both replicas are synchronised and each Sentinel knows all others."""
        if proxied:
            self.proxy = await Proxy(self._first_port).start()
            self._first_port = self.proxy.port
        for replica in self.servers[1:]:
            # Not in this turn: the replica may ask through the proxy.
            await deferToThread(replica.ask, "REPLICAOF", "127.0.0.1", self._first_port)
        await until(lambda: all(b"master_link_status:up" in _info(server) for server in self.servers[1:]))
        self.sentinels = [self._sentinel(self._first_port) for _ in range(3)]
        await until(lambda: all(_knows_all(sentinel) for sentinel in self.sentinels), "the Sentinels meet")
        return self

    @property
    def url(self) -> str:
        """What a broker is given."""
        return f"redis+sentinel://{self._hosts()}/{SERVICE}"

    async def prefer(self, replica: RedisServer) -> None:
        """Fires when all Sentinels know that they are to elect this one, whatever it has got; takes up to 10 s."""
        replica.ask("CONFIG", "SET", "replica-priority", 1)
        await until(lambda: all(_prefers(each, replica.port) for each in self.sentinels), "it is preferred", 15.0)

    async def elected(self) -> RedisServer:
        """Fires with the new master when every Sentinel names it."""
        await until(lambda: len(self._named()) == 1 and self._first_port not in self._named(), "a failover", 15.0)
        (port,) = self._named()
        return next(server for server in self.servers if server.port == port)

    def _server(self, config: dict[str, str]) -> RedisServer:
        return RedisServer(**config)

    def _sentinel(self, master_port: int) -> Sentinel:
        return Sentinel(master_port)

    def _hosts(self) -> str:
        return ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)

    def _named(self) -> set[int]:
        named = [each.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE) for each in self.sentinels]
        return {int(answer[1]) for answer in named if isinstance(answer, list)}

    def close(self) -> None:
        """Ends them all."""
        for server in (*self.sentinels, *self.servers):
            server.close()


def _prefers(sentinel: Sentinel, port: int) -> bool:
    answer = sentinel.ask("SENTINEL", "REPLICAS", SERVICE)
    assert isinstance(answer, list)
    known = [dict(zip(each[::2], each[1::2], strict=True)) for each in answer]
    return any(each[b"port"] == b"%d" % port and each[b"slave-priority"] == b"1" for each in known)


class SafeGuarded(Guarded):
    """The same with TLS alone, and with users: one for relays with just enough, one for replicas and Sentinels.

    The test itself asks over unix sockets.

    Attributes:
        ca_file: the authority of all certificates.

    Args:
        folder: for certificates and users.
    """

    PASSWORD = "p@ss/word"
    INNER_PASSWORD = "hush"
    _ADMIN = "admin"

    def __init__(self, folder: Path) -> None:
        self.ca_file = str(folder / "ca.pem")
        key, chain, self._users = (str(folder / name) for name in ("key.pem", "cert.pem", "users.acl"))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(key)
        certificate.cert_chain_pems[0].write_to_path(chain)
        self._tls = {
            "tls-cert-file": chain,
            "tls-key-file": key,
            "tls-ca-cert-file": self.ca_file,
            "tls-auth-clients": "no",
            "tls-replication": "yes",
        }
        relay = (
            "+hello +auth +select +client|setname +eval +set +publish +subscribe +psubscribe"
            " +get +pexpire +pttl +hmget +hset +info +xadd +xrange +xrevrange +del +wait"
        )
        Path(self._users).write_text(
            f"user default on >{self._ADMIN} ~* &* +@all\n"
            f"user relay on >{self.PASSWORD} ~pulsetw:* &pulsetw:* &kept:* {relay}\n"
            f"user inner on >{self.INNER_PASSWORD} ~* &* +@all\n"
        )
        super().__init__()

    @property
    def url(self) -> str:
        """What a broker is given."""
        return self.url_with()

    def url_with(self, password: str = PASSWORD, sentinel_password: str = INNER_PASSWORD) -> str:
        """What a broker is given, with these passwords."""
        return (
            f"rediss+sentinel://relay:{quote(password, safe='')}@{self._hosts()}/{SERVICE}/3"
            f"?sentinel_user=inner&sentinel_password={sentinel_password}"
        )

    def _server(self, config: dict[str, str]) -> RedisServer:
        port = free_port()
        own = {"tls-port": str(port), "aclfile": self._users, "masteruser": "inner"}
        server = RedisServer(unix=True, **self._tls, **own, masterauth=self.INNER_PASSWORD, **config)
        server.port, server.password = port, self._ADMIN
        return server

    def _sentinel(self, master_port: int) -> Sentinel:
        port = free_port()
        sentinel = Sentinel(
            master_port,
            f"tls-port {port}",
            *(f"{name} {value}" for name, value in self._tls.items()),
            f"user default on >{self._ADMIN} ~* &* +@all",
            f"user inner on >{self.INNER_PASSWORD} ~* &* +@all",
            f"sentinel auth-user {SERVICE} inner",
            f"sentinel auth-pass {SERVICE} {self.INNER_PASSWORD}",
            "sentinel sentinel-user inner",
            f"sentinel sentinel-pass {self.INNER_PASSWORD}",
            unix=True,
        )
        sentinel.port, sentinel.password = port, self._ADMIN
        return sentinel


def _info(server: RedisServer) -> bytes:
    answer = server.ask("INFO", "replication")
    assert isinstance(answer, bytes)
    return answer


def _knows_all(sentinel: Sentinel) -> bool:
    answer = sentinel.ask("SENTINEL", "MASTER", SERVICE)
    assert isinstance(answer, list)
    known = dict(zip(answer[::2], answer[1::2], strict=True))
    return known[b"num-slaves"] == b"2" and known[b"num-other-sentinels"] == b"2"
