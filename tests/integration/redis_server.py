"""A real redis-server of the test's own."""

import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import hiredis
import trustme


class RedisError(Exception):
    """Redis answered an administrator's command with an error."""


class RedisServer:
    """A redis-server on a free port of the loopback, or on a unix socket; ended by its own process id.

    Args:
        password: of the default user; "" = none.
        unix: listen on a unix socket only.
        tls: listen with TLS only, with a certificate for `tls`, from an authority of its own (`ca_file`).
        config: more settings, as on redis-server's command line.
    """

    def __init__(self, *, password: str = "", unix: bool = False, tls: str = "", **config: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pulsetw-redis-")
        self.folder = Path(self._folder.name)
        self.password = password
        self.path = str(self.folder / "redis.sock") if unix else ""
        self.port = 0 if unix else _free_port()
        self.ca_file = str(self.folder / "ca.pem") if tls else ""
        self._settings = {
            "dir": self._folder.name,
            "save": "",
            "bind": "127.0.0.1",
            "port": "0" if tls else str(self.port),
            **({"unixsocket": self.path} if unix else {}),
            **({"requirepass": password} if password else {}),
            **(self._certificates(tls) if tls else {}),
            **{name.replace("_", "-"): value for name, value in config.items()},
        }
        self.start()

    def start(self) -> None:
        """Starts it; returns when it takes connections."""
        settings = [word for name, value in self._settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(
            ["redis-server", *settings], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "eady to accept connections" in line:
                return
        raise AssertionError("redis-server did not start:\n" + "".join(said))

    def stop(self) -> None:
        """Ends it, wherever it hangs; its folder stays for another start."""
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._process.kill()
            self._process.communicate()

    def close(self) -> None:
        """Ends it for good."""
        self.stop()
        self._folder.cleanup()

    def freeze(self) -> None:
        """From now on the kernel takes connections and bytes for it, and nothing answers."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Goes on as if nothing had been."""
        os.kill(self._process.pid, signal.SIGCONT)

    def ask(self, *words: bytes | str | int) -> object:
        """The answer to an administrator's command, over a connection of its own; not with TLS."""
        with self._connect() as admin:
            if self.password and words[0] != "AUTH":
                _ask(admin, "AUTH", self.password)
            return _ask(admin, *words)

    def pour(self, channel: str, payload: bytes, count: int) -> None:
        """Publishes the same payload many times over one connection; returns when all are answered."""
        with self._connect() as admin:
            for _ in range(count):
                _ask(admin, "PUBLISH", channel, payload)

    def clients(self) -> list[dict[str, str]]:
        """CLIENT LIST, without the connection that asks."""
        answer = self.ask("CLIENT", "LIST")
        assert isinstance(answer, bytes)
        found = [dict(word.partition("=")[::2] for word in line.split()) for line in answer.decode().splitlines()]
        return [client for client in found if client["cmd"] != "client|list"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> socket.socket:
        if not self.path:
            return socket.create_connection(("127.0.0.1", self.port), timeout=5)
        admin = socket.socket(socket.AF_UNIX)
        admin.settimeout(5)
        admin.connect(self.path)
        return admin

    def _certificates(self, name: str) -> dict[str, str]:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert(name)
        certificate.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        certificate.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))
        return {
            "tls-port": str(self.port),
            "tls-auth-clients": "no",
            "tls-key-file": str(self.folder / "key.pem"),
            "tls-cert-file": str(self.folder / "cert.pem"),
            "tls-ca-cert-file": self.ca_file,
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ask(admin: socket.socket, *words: bytes | str | int) -> object:
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    admin.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
    reader = hiredis.Reader()
    while (reply := reader.gets()) is False:
        received = admin.recv(65536)
        if not received:
            raise RedisError("the connection was closed")
        reader.feed(received)
    if isinstance(reply, Exception):
        raise RedisError(str(reply))
    return reply
