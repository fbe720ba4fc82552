"""From a file, the environment and the command line to one `Config`; every error names its key."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Rule
from pulsetw.config import Config, load
from pulsetw.errors import ConfigError

ALL = """
[server]
listen = ["tcp:9000", "unix:/run/pulsetw.sock:mode=660"]
admin = []
admin_hosts = ["relay.internal", "10.0.0.5"]
drain_s = 1.5
server_id = "relay-1"
[broker]
url = "rediss://user:secret@db:6380/2"
prefix = "league."
ca_file = "ca.pem"
max_reconnect_attempts = 10
[auth]
anonymous = "named"
api_keys = ["key-1", "key-2"]
origins = ["https://league.example"]
[catalogue]
builtin = false
modules = ["shop.channels"]
[channels."shop:prices"]
publish = "users"
[channels."chat:*"]
subscribe = "users"
publish = "everybody"
[limits]
message_bytes = 0
publish_retry_ms = []
ping_s = 1
"""

BROKEN = {
    "no TOML": ('[server\nlisten = "x"', "FILE", "line 1, column 8"),
    "a value that is none": ("[server]\nlisten = oops", "FILE", "line 2, column 10"),
    "a key twice": ("[server]\nadmin = []\nadmin = []", "FILE", "Cannot overwrite a value"),
    "bytes that are no UTF-8": (b"# \xe9", "FILE", "byte 3"),
    "an unknown table": ("[limit]\nping_s = 3", "limit", "did you mean limits?"),
    "a setting outside of any table": ("ping_s = 3", "ping_s", "did you mean limits.ping_s?"),
    "a table that is none": ("limits = 3", "limits", "expected a table, found int"),
    "an unknown setting": ("[server]\nthreads = 4", "server.threads", "server has: listen, admin"),
    "a typing mistake": ("[server]\nlisten_ = []", "server.listen_", "did you mean server.listen?"),
    "a setting in the wrong table": ("[server]\nping_s = 3", "server.ping_s", "did you mean limits.ping_s?"),
    "a text for a list": ('[server]\nlisten = "tcp:80"', "server.listen", "Expected array, got str"),
    "a number in a list of texts": ('[server]\nlisten = ["tcp:80", 81]', "server.listen[1]", "Expected str, got int"),
    "no endpoint": ("[server]\nlisten = []", "server.listen", "at least one"),
    "an endpoint of no type": ('[server]\nadmin = ["8081"]', "server.admin[0]", "such as tcp:8080"),
    "a typing mistake in an endpoint": ('[server]\nlisten = ["tpc:80"]', "server.listen[0]", "'tpc'"),
    "an endpoint without a port": ('[server]\nlisten = ["tcp:x"]', "server.listen[0]", "'x'"),
    "an endpoint's unknown argument": ('[server]\nlisten = ["tcp:80:host=x"]', "server.listen[0]", "'host'"),
    "a host with a port": ('[server]\nadmin_hosts = ["a", "b:80"]', "server.admin_hosts[1]", "without scheme and port"),
    "a URL for a host": ('[server]\nadmin_hosts = ["http://a"]', "server.admin_hosts[0]", "without scheme and port"),
    "a server's id with spaces": ('[server]\nserver_id = "a b"', "server.server_id", "A-Z a-z 0-9"),
    "less than no time": ("[server]\ndrain_s = -1", "server.drain_s", "from 0 to 3,600, found -1"),
    "no number at all": ("[server]\ndrain_s = nan", "server.drain_s", "from 0 to 3,600, found nan"),
    "for ever": ("[server]\ndrain_s = inf", "server.drain_s", "found inf"),
    "a truth for a number": ("[limits]\nping_s = true", "limits.ping_s", "Expected int, got bool"),
    "a text for a number": ('[limits]\nping_s = "25"', "limits.ping_s", "Expected int, got str"),
    "a fraction for a whole number": ("[limits]\nping_s = 2.5", "limits.ping_s", "Expected int, got float"),
    "no pings": ("[limits]\nping_s = 0", "limits.ping_s", "from 1 to 3,600, found 0"),
    "no retry at once": ("[limits]\npublish_retry_ms = [100, 0]", "limits.publish_retry_ms[1]", "from 1 to 60,000"),
    "a foreign broker": ('[broker]\nurl = "amqp://x"', "broker.url", "memory://, redis://, rediss://, redis+unix://"),
    "a broker that has no address": ('[broker]\nurl = "memory://db"', "broker.url", "memory:// alone"),
    "a prefix with braces": ('[broker]\nprefix = "{a}"', "broker.prefix", "A-Z a-z"),
    "the relay's own prefix": ('[broker]\nprefix = "pulsetw:"', "broker.prefix", "the relay's own"),
    "half a truth": ('[auth]\nanonymous = "name"', "auth.anonymous", "one of true, false, \"named\", found 'name'"),
    "an empty key": ('[auth]\napi_keys = ["a", ""]', "auth.api_keys[1]", "at least one"),
    "a key that fits no header": ('[auth]\napi_keys = ["a\\nb"]', "auth.api_keys[0]", "without spaces"),
    "an origin with a path": ('[auth]\norigins = ["https://a/b"]', "auth.origins[0]", "https://app.example.com"),
    "a file for a module": ('[catalogue]\nmodules = ["shop.py/x"]', "catalogue.modules[0]", "shop.channels"),
    "a rule for no name": ('[channels."a b"]', 'channels."a b"', "1 to 200 of"),
    "a rule for a reserved pattern": ('[channels."pulsetw:*"]', 'channels."pulsetw:*"', "the relay's own"),
    "a rule that is no table": ('[channels]\n"a:b" = 3', 'channels."a:b"', "expected a table, found int"),
    "a rule of a later release": ('[channels."a:b"]\nconflate_ms = 3', 'channels."a:b".conflate_ms', "a rule has:"),
    "a history without end": (
        '[channels."a:b"]\nhistory_size = 100001',
        'channels."a:b".history_size',
        "from 0 to 100,000, found 100001",
    ),
    "a history that is over at once": (
        '[channels."a:b"]\nhistory_age_s = 0',
        'channels."a:b".history_age_s',
        "from 1 to 2,592,000, found 0",
    ),
    "a promise about nothing": (
        '[channels."a:b"]\nack = "durable"',
        'channels."a:b".ack',
        "has no effect: expected a history_size beside it, found 0",
    ),
    "an age of nothing": (
        '[channels."a:b"]\nhistory_age_s = 300',
        'channels."a:b".history_age_s',
        "has no effect: expected a history_size beside it, found 0",
    ),
    "notices of nothing": (
        '[channels."a:b"]\nhistory_size = 0\nstrict = true',
        'channels."a:b".strict',
        "has no effect: expected a history_size beside it, found 0",
    ),
    "notices of what is not lost": (
        '[channels."a:b"]\nhistory_size = 9\nack = "window"\nstrict = true',
        'channels."a:b".strict',
        'has no effect: expected ack = "fast" beside it, found "window"',
    ),
    "a setting of the limits in a rule": (
        '[channels."a:b"]\noutbox_events = 9',
        'channels."a:b".outbox_events',
        "did you mean limits.outbox_events?",
    ),
    "a typing mistake in a rule": ('[channels."a:b"]\npublis = "users"', 'channels."a:b".publis', "mean publish?"),
    "nobody that we know": (
        '[channels."a:b"]\npublish = "all"',
        'channels."a:b".publish',
        'expected one of "nobody", "everybody", "users", found \'all\'',
    ),
}


class FileTests(SynchronousTestCase):
    def load(self, text, environ=(), flags=()):
        self.path = Path(self.mktemp())
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(str(self.path), dict(environ), dict(flags))

    def test_nothing_set_is_every_default(self):
        self.assertEqual(load(None, {}, {}), Config())
        self.assertEqual(self.load(""), Config())

    def test_everything_that_can_be_set(self):
        config = self.load(ALL)
        self.assertEqual(config.server.listen, ("tcp:9000", "unix:/run/pulsetw.sock:mode=660"))
        self.assertEqual((config.server.admin, config.server.drain_s), ((), 1.5))
        self.assertEqual(config.server.admin_hosts, ("relay.internal", "10.0.0.5"))
        self.assertEqual(config.broker.url, "rediss://user:secret@db:6380/2")
        self.assertEqual((config.broker.prefix, config.broker.max_reconnect_attempts), ("league.", 10))
        self.assertEqual((config.auth.anonymous, config.auth.api_keys), ("named", ("key-1", "key-2")))
        self.assertEqual((config.catalogue.builtin, config.catalogue.modules), (False, ("shop.channels",)))
        rules = {"shop:prices": Rule(publish="users"), "chat:*": Rule("users", "everybody")}
        self.assertEqual(config.channels, rules)
        self.assertEqual((config.limits.message_bytes, config.limits.publish_retry_ms), (0, ()))
        self.assertEqual((config.limits.ping_s, config.limits.pong_s), (1, 10))

    def test_every_broken_file_names_its_key_and_what_was_expected(self):
        for name, (text, key, words) in BROKEN.items():
            error = self.assertRaises(ConfigError, self.load, text)
            self.assertEqual(error.key, str(self.path) if key == "FILE" else key, name)
            self.assertIn(words, error.problem, name)
            self.assertTrue(str(error).startswith(error.key), name)
            where = "" if key == "FILE" else f" (from {self.path})"
            self.assertEqual(error.problem, error.problem.partition(" (from ")[0] + where, name)

    def test_a_rule_may_say_what_is_so_anyway(self):
        """And all of a history's settings, where there is one."""
        config = self.load('[channels.a]\nack = "fast"\n[channels.b]\nhistory_size = 9\nack = "fast"\nstrict = false')
        self.assertEqual(config.channels, {"a": Rule(), "b": Rule(history_size=9, strict=False)})

    def test_a_file_that_is_not_there(self):
        error = self.assertRaises(ConfigError, load, "no/such/file", {}, {})
        self.assertEqual((error.key, error.problem), ("no/such/file", "cannot be read: No such file or directory"))

    def test_a_file_that_is_nested_too_deeply(self):
        error = self.assertRaises(ConfigError, self.load, "a = " + "[" * 20_000)
        self.assertEqual((error.key, error.problem), (str(self.path), "is nested too deeply"))

    def test_the_environment_wins_over_the_file_and_the_command_line_over_both(self):
        text = '[broker]\nurl = "redis://file"\nprefix = "file."\n[limits]\nping_s = 3'
        environ = {"PULSETW_BROKER_URL": "redis://environment", "PULSETW_LIMITS_PING_S": "4"}
        config = self.load(text, environ, {"broker.url": "redis://flag"})
        self.assertEqual((config.broker.url, config.broker.prefix, config.limits.ping_s), ("redis://flag", "file.", 4))

    def test_a_list_is_replaced_and_not_made_longer(self):
        config = self.load('[server]\nlisten = ["tcp:1"]', {}, {"server.listen": ["tcp:2", "tcp:3"]})
        self.assertEqual(config.server.listen, ("tcp:2", "tcp:3"))


class FlagTests(SynchronousTestCase):
    def error(self, **flags):
        return str(self.assertRaises(ConfigError, load, None, {}, {k.replace("__", "."): v for k, v in flags.items()}))

    def test_mistakes_are_said_to_come_from_the_command_line(self):
        self.assertIn("server.listen[0]: expected an endpoint", self.error(server__listen=["x"]))
        self.assertTrue(self.error(server__listen=["x"]).endswith("(from the command line)"))
        self.assertIn("broker.url: Expected str, got int (from the command line)", self.error(broker__url=3))

    def test_an_unknown_flag_is_an_error_too(self):
        self.assertIn("broker.uri: there is no such setting; did you mean broker.url?", self.error(broker__uri="x"))


class SecretTests(SynchronousTestCase):
    """Nothing that is shown holds a key or a password."""

    def test_a_config_hides_them(self):
        config = load(
            None,
            {},
            {"broker.url": "redis://me:can@ry/1@db:1/2?password=canary", "auth.api_keys": ["canary"]},
        )
        self.assertNotIn("canary", repr(config))
        self.assertNotIn("can@ry", repr(config))
        self.assertIn("db:1/2", repr(config))

    def test_so_does_every_error(self):
        for environ in (
            {"REDIS_URL": "canary"},
            {"REDIS_URL": "me:canary@db"},
            {"REDIS_URL": "http://me:canary@db"},
            {"REDIS_URL": "can ary://x"},
            {"PULSETW_BROKER_URL": "x" * 30 + "canary://x"},
            {"REDIS_PASSWORD": "canary"},
            {"REDIS_HOST": "db", "REDIS_PASSWORD": "canary", "REDIS_PORT": "x"},
            {"PULSETW_AUTH_API_KEYS": "canary\x01"},
        ):
            error = self.assertRaises(ConfigError, load, None, environ, {})
            self.assertNotIn("ary", str(error).replace("memory", ""), environ)
