"""A master, two replicas and three Sentinels of the test's own."""

import subprocess
from typing import Self

from twisted.internet.threads import deferToThread

from tests.integration.proxy import Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

SERVICE = "main"
DOWN_AFTER_MS = 1000


class Sentinel(RedisServer):
    """A Sentinel on a free port of the loopback; ended by its own process id."""

    def __init__(self, master_port: int) -> None:
        self._master_port = master_port
        super().__init__()

    def start(self) -> None:
        """Starts it; returns when it watches the master."""
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {self.folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {self._master_port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
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
        self.servers = [RedisServer(repl_diskless_sync_delay="0", **config) for _ in range(3)]
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
        self.sentinels = [Sentinel(self._first_port) for _ in range(3)]
        await until(lambda: all(_knows_all(sentinel) for sentinel in self.sentinels), "the Sentinels meet")
        return self

    @property
    def url(self) -> str:
        """What a broker is given."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/{SERVICE}"

    async def elected(self) -> RedisServer:
        """Fires with the new master when every Sentinel names it."""
        await until(lambda: len(self._named()) == 1 and self._first_port not in self._named(), "a failover", 15.0)
        (port,) = self._named()
        return next(server for server in self.servers if server.port == port)

    def _named(self) -> set[int]:
        named = [each.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE) for each in self.sentinels]
        return {int(answer[1]) for answer in named if isinstance(answer, list)}

    def close(self) -> None:
        """Ends them all."""
        for server in (*self.sentinels, *self.servers):
            server.close()


def _info(server: RedisServer) -> bytes:
    answer = server.ask("INFO", "replication")
    assert isinstance(answer, bytes)
    return answer


def _knows_all(sentinel: Sentinel) -> bool:
    answer = sentinel.ask("SENTINEL", "MASTER", SERVICE)
    assert isinstance(answer, list)
    known = dict(zip(answer[::2], answer[1::2], strict=True))
    return known[b"num-slaves"] == b"2" and known[b"num-other-sentinels"] == b"2"
