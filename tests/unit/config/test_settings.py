"""Settings that an application makes in Python hear the same words as those of a file."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Rule
from pulsetw.config import AuthSettings, BrokerSettings, Config, Limits, ServerSettings
from pulsetw.errors import ConfigError


class EmbeddedTests(SynchronousTestCase):
    def test_each_part_checks_itself(self):
        for key, make in (
            ("limits.ping_s", lambda: Limits(ping_s=0)),
            ("limits.unsent_bytes", lambda: Limits(unsent_bytes=0)),
            ("server.listen", lambda: ServerSettings(listen=())),
            ("broker.url", lambda: BrokerSettings(url="x")),
            ("auth.api_keys[0]", lambda: AuthSettings(api_keys=("",))),
            ('channels."a b"', lambda: Config(channels={"a b": Rule()})),
            ('channels."a".history_age_s', lambda: Config(channels={"a": Rule(history_age_s=5)})),
            ('channels."a".mirror', lambda: Config(channels={"a": Rule(mirror=True)})),
            ('channels."a".strict', lambda: Config(channels={"a": Rule(history_size=1, ack="window", strict=False)})),
        ):
            self.assertEqual(self.assertRaises(ConfigError, make).key, key)

    def test_every_endpoint_of_twisted_can_be_named(self):
        """Those that read files or wait for a reactor are left to the start of the relay."""
        kinds = (
            "tcp:0",
            "tcp6:80:interface=\\:\\:1",
            "unix:/run/x",
            "ssl:443:privateKey=x",
            "systemd:domain=INET:index=0",
        )
        self.assertEqual(ServerSettings(listen=(*kinds, "haproxy:tcp:80")).listen[:5], kinds)

    def test_settings_do_not_change(self):
        config = Config()
        self.assertRaises(AttributeError, setattr, config.limits, "ping_s", 3)
