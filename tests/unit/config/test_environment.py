"""Settings from environment variables, and which variables are none."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.config import Config, load
from pulsetw.errors import ConfigError


def settings(**environ):
    return load(None, environ, {})


class VariableTests(SynchronousTestCase):
    """PULSETW_<TABLE>_<KEY> sets one setting."""

    def error(self, **environ):
        return str(self.assertRaises(ConfigError, load, None, environ, {}))

    def test_texts_stand_for_numbers_and_truths(self):
        config = settings(
            PULSETW_LIMITS_PING_S="30",
            PULSETW_SERVER_DRAIN_S="0.5",
            PULSETW_CATALOGUE_BUILTIN="false",
            PULSETW_BROKER_PREFIX="12",
        )
        self.assertEqual((config.limits.ping_s, config.server.drain_s), (30, 0.5))
        self.assertEqual((config.catalogue.builtin, config.broker.prefix), (False, "12"))

    def test_who_may_come_in_is_a_truth_or_a_word(self):
        for text, value in (("true", True), ("0", False), ("False", False), ("named", "named")):
            self.assertEqual(settings(PULSETW_AUTH_ANONYMOUS=text).auth.anonymous, value)

    def test_elements_of_a_list_stand_apart_by_spaces(self):
        config = settings(
            PULSETW_SERVER_LISTEN="tcp:8080  tcp:8082:interface=127.0.0.1\n",
            PULSETW_LIMITS_PUBLISH_RETRY_MS="1 2",
        )
        self.assertEqual(config.server.listen, ("tcp:8080", "tcp:8082:interface=127.0.0.1"))
        self.assertEqual(config.limits.publish_retry_ms, (1, 2))

    def test_an_empty_variable_counts_as_none(self):
        self.assertEqual(
            settings(PULSETW_LIMITS_PING_S="", PULSETW_LIMITS_PING="", REDIS_HOST="", REDIS_URL=""), Config()
        )

    def test_an_error_names_the_key_and_the_variable(self):
        self.assertEqual(
            self.error(PULSETW_LIMITS_PING_S="x"), "limits.ping_s: Expected int, got str (from PULSETW_LIMITS_PING_S)"
        )
        self.assertIn("found 0 (from PULSETW_LIMITS_PING_S)", self.error(PULSETW_LIMITS_PING_S="0"))
        self.assertIn("server.listen[1]: expected an endpoint", self.error(PULSETW_SERVER_LISTEN="tcp:1 x"))
        self.assertIn("(from PULSETW_SERVER_LISTEN)", self.error(PULSETW_SERVER_LISTEN="tcp:1 x"))
        self.assertIn("limits.publish_retry_ms[1]: Expected int", self.error(PULSETW_LIMITS_PUBLISH_RETRY_MS="1 x"))
        self.assertIn("true, false, \"named\", found 'perhaps' (from", self.error(PULSETW_AUTH_ANONYMOUS="perhaps"))

    def test_an_unknown_variable_of_a_table_is_an_error(self):
        self.assertEqual(
            self.error(PULSETW_LIMITS_PING="3"),
            "PULSETW_LIMITS_PING: there is no such setting; did you mean PULSETW_LIMITS_PING_S?",
        )
        self.assertEqual(self.error(PULSETW_SERVER_THREADS="3"), "PULSETW_SERVER_THREADS: there is no such setting")

    def test_a_typing_mistake_in_the_table_is_an_error_too(self):
        self.assertIn("did you mean PULSETW_LIMITS_PING_S?", self.error(PULSETW_LIMIT_PING_S="3"))

    def test_rules_have_no_variables(self):
        self.assertIn("it stands in the file", self.error(PULSETW_CHANNELS_CHAT="x"))

    def test_other_programs_variables_are_passed_over(self):
        self.assertEqual(settings(PULSETW_IMAGE="x", PULSETWIN="x", PATH="x", pulsetw_limits_ping="x"), Config())


class KubernetesTests(SynchronousTestCase):
    def test_service_links_are_no_settings(self):
        """A service called pulsetw, or pulsetw-<table>, puts these into every pod."""
        links = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP_ADMIN", "PORT")
        links += tuple(
            f"PORT_8080_{protocol}{part}" for protocol in ("TCP", "UDP") for part in ("", "_ADDR", "_PORT", "_PROTO")
        )
        for service in ("PULSETW", "PULSETW_SERVER", "PULSETW_LIMITS", "PULSETW_CHANNELS", "PULSETW_A_B"):
            self.assertEqual(settings(**{f"{service}_{link}": "tcp://10.0.0.1:80" for link in links}), Config())

    def test_what_only_looks_like_one_is_a_mistake(self):
        for name in ("PULSETW_SERVER_PORTS", "PULSETW_SERVER_PORT_HTTP", "PULSETW_SERVER_HOST"):
            self.assertRaises(ConfigError, load, None, {name: "80"}, {})

    def test_a_service_called_redis_gives_no_port(self):
        environ = {"REDIS_PORT": "tcp://10.0.0.2:6379", "REDIS_SERVICE_HOST": "10.0.0.2"}
        self.assertEqual(settings(**environ), Config())
        self.assertEqual(settings(**environ, REDIS_HOST="redis").broker.url, "redis://redis:6379/0")


class RedisTests(SynchronousTestCase):
    """The variables that are usual for Redis set the broker's URL."""

    def test_one_url(self):
        self.assertEqual(settings(REDIS_URL="rediss://db", REDIS_HOST="other").broker.url, "rediss://db")

    def test_its_parts(self):
        for environ, url in (
            ({}, "redis://db:6379/0"),
            ({"REDIS_PORT": "6380", "REDIS_DB": "2"}, "redis://db:6380/2"),
            ({"REDIS_PASSWORD": "p@ss:/w%rd"}, "redis://:p%40ss%3A%2Fw%25rd@db:6379/0"),
        ):
            self.assertEqual(settings(REDIS_HOST="db", **environ).broker.url, url)

    def test_an_address_of_ipv6_gets_its_brackets(self):
        for host in ("::1", "[::1]"):
            self.assertEqual(settings(REDIS_HOST=host).broker.url, "redis://[::1]:6379/0")

    def test_our_own_variable_wins(self):
        environ = {"REDIS_URL": "redis://theirs", "REDIS_PORT": "x", "PULSETW_BROKER_URL": "redis://ours"}
        self.assertEqual(settings(**environ).broker.url, "redis://ours")

    def test_the_command_line_wins_over_mistakes_too(self):
        config = load(None, {"REDIS_PASSWORD": "x"}, {"broker.url": "redis://flag"})
        self.assertEqual(config.broker.url, "redis://flag")

    def test_parts_that_do_not_go_together(self):
        for environ, words in (
            ({"REDIS_PASSWORD": "x"}, "REDIS_PASSWORD is set without REDIS_HOST"),
            ({"REDIS_PORT": "6379"}, "REDIS_PORT is set without REDIS_HOST"),
            ({"REDIS_DB": "1"}, "REDIS_DB is set without REDIS_HOST"),
            ({"REDIS_HOST": "a", "REDIS_PORT": "65536"}, "REDIS_PORT is '65536'; expected a whole number from 1"),
            ({"REDIS_HOST": "a", "REDIS_DB": "-1"}, "REDIS_DB is '-1'"),
            ({"REDIS_HOST": "a", "REDIS_DB": "9" * 5000}, "REDIS_DB is"),
            ({"REDIS_URL": "db:6379"}, "(from REDIS_URL)"),
        ):
            error = self.assertRaises(ConfigError, load, None, environ, {})
            self.assertEqual(error.key, "broker.url")
            self.assertIn(words, error.problem)
