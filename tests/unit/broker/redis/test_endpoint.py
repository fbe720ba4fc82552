"""The ways to Redis, and authorities that cannot be used."""

from pathlib import Path

import pytest
import trustme
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.endpoint import endpoint_of
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.errors import ConfigError


class EndpointTests(SynchronousTestCase):
    def test_unix_socket(self) -> None:
        """A path leads to a unix socket."""
        assert isinstance(endpoint_of(Clock(), RedisOptions(path="/run/redis.sock")), UNIXClientEndpoint)

    def test_authorities(self) -> None:
        """A file of several authorities is taken; one that is missing, empty or damaged names its setting."""
        folder = Path(self.mktemp())
        folder.mkdir()
        good, empty, damaged = folder / "good.pem", folder / "empty.pem", folder / "damaged.pem"
        for _ in range(2):
            trustme.CA().cert_pem.write_to_path(str(good), append=True)
        empty.write_text("# nothing\n")
        damaged.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        endpoint_of(Clock(), RedisOptions(tls=True, ca_file=str(good)))
        for path, words in (
            (folder / "missing.pem", "cannot be read"),
            (empty, "holds no certificate"),
            (damaged, "damaged"),
        ):
            with pytest.raises(ConfigError) as caught:
                endpoint_of(Clock(), RedisOptions(tls=True, ca_file=str(path)))
            assert caught.value.key == "broker.ca_file"
            assert words in caught.value.problem
