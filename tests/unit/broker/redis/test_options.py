"""URLs of Redis: what each stands for, and that no mistake shows a password."""

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.options import RedisOptions
from pulsetw.errors import ConfigError

URLS = {
    "redis://localhost": {"host": "localhost", "port": 6379},
    "REDIS://Example.org:7000/3": {"host": "example.org", "port": 7000, "db": 3},
    "redis://127.0.0.1/": {"host": "127.0.0.1", "db": 0},
    "redis://[::1]:7000": {"host": "::1", "port": 7000},
    "redis://:secret@h": {"user": "", "password": "secret"},
    "redis://relay:secret@h": {"user": "relay", "password": "secret"},
    "redis://relay@h": {"user": "relay", "password": ""},
    "redis://:p%40s%3As%2F%C3%A4@h": {"password": "p@s:s/ä"},
    "rediss://h": {"host": "h", "tls": True, "port": 6379},
    "redis+unix:///run/redis.sock": {"path": "/run/redis.sock", "host": "", "db": 0},
    "redis+unix://relay:secret@/run/re%20dis.sock?db=2": {"path": "/run/re dis.sock", "user": "relay", "db": 2},
    "redis+sentinel://a/main": {"sentinels": (("a", 26379),), "service": "main", "host": "", "db": 0, "tls": False},
    "rediss+sentinel://u:p@a:1,b,[::1]:3/main/2": {
        "sentinels": (("a", 1), ("b", 26379), ("::1", 3)),
        "user": "u",
        "password": "p",
        "db": 2,
        "tls": True,
    },
    "redis+sentinel://a/m?sentinel_user=s&sentinel_password=%26+": {"sentinel_user": "s", "sentinel_password": "&+"},
}

SECRET = "hUnTeR2"
MISTAKES = [
    f"{SECRET}",
    f"http://:{SECRET}@host",
    f"redis:{SECRET}@host",
    f"redis:///:{SECRET}",
    f"redis://:{SECRET}@",
    f"redis://:{SECRET}@:6379",
    f"redis://:{SECRET}@host:port",
    f"redis://:{SECRET}@host:0",
    f"redis://:{SECRET}@host:65536",
    f"redis://:{SECRET}@host:-1",
    f"redis://:{SECRET}@[::1",
    f"redis://user:pa/{SECRET}@host",
    f"redis://user:pa#{SECRET}@host",
    f"redis://user:pa?{SECRET}@host",
    f"redis://user:pa@{SECRET}@host",
    f"redis://user:pa:{SECRET}@host",
    f"redis://:%zz{SECRET}@host",
    f"redis://:%ff{SECRET}@host",
    f"redis://:%00{SECRET}@host",
    f"redis://: {SECRET}@host",
    f"redis://:{SECRET}\n@host",
    f"redis://:{SECRET}@host/one",
    f"redis://:{SECRET}@host/-1",
    f"redis://:{SECRET}@host/1/2",
    f"redis://:{SECRET}@host/?db=1",
    f"redis://:{SECRET}@host#fragment",
    f"redis+unix://:{SECRET}@host/path",
    f"redis+unix://:{SECRET}@",
    f"redis+unix://:{SECRET}@/path?db=x",
    f"redis+unix://:{SECRET}@/path?dbase=1",
    f"redis+sentinel://:{SECRET}@a",
    f"redis+sentinel://:{SECRET}@a,/main",
    f"redis+sentinel://:{SECRET}@a:0/main",
    f"redis+sentinel://:{SECRET}@a:70000/main",
    f"redis+sentinel://:{SECRET}@a/main/x",
    f"redis+sentinel://:{SECRET}@a/main?db=1",
    f"redis+sentinel://a/main?sentinel_password={SECRET}&sentinel_password={SECRET}",
    f"redis+sentinel://a/main?sentinel_password={SECRET}%zz",
]

# Which part of a Sentinel's URL is wrong.
BLAMED = {
    "redis+sentinel://a:26379,b:26379": "the service, the master's name at the Sentinels, is missing",
    "redis+sentinel://a:26379/?service=main": "the service, the master's name at the Sentinels, is missing",
    "redis+sentinel:///main": "the host of Sentinel 1",
    "redis+sentinel://a,/main": "the host of Sentinel 2",
    "redis+sentinel://a;b/main": "the host of Sentinel 1",
    "redis+sentinel://a%20b/main": "the host of Sentinel 1",
    "redis+sentinel://::1/main": "the host of Sentinel 1",
    "redis+sentinel://a:1,b:0/main": "the port of Sentinel 2",
    "redis+sentinel://a:26379:main": "the port of Sentinel 1 is no number from 1 to 65535; the service follows a /",
    "redis+sentinel://a:/main": "the port of Sentinel 1",
    "redis+sentinel://a/main/x": "db is",
    "redis+sentinel://a/main?db=1": "nothing else can follow a ?",
    "redis+sentinel://a, b/main": "without spaces",
    "redis+sentinel://[::1/main": "an IPv6 address stands in [brackets]",
    "redis+sentinel://a#main": "nothing behind a #",
}

# Surrogates cannot be percent-encoded, NUL is refused.
_words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufffd"), max_size=20)


class RedisOptionsTests(SynchronousTestCase):
    def test_what_each_url_stands_for(self) -> None:
        """Every form of URL that the documentation names."""
        for url, expected in URLS.items():
            with self.subTest(url=url):
                options = RedisOptions.from_url(url)
                assert {name: getattr(options, name) for name in expected} == expected

    def test_mistakes_say_what_was_expected(self) -> None:
        """The setting is named, the password is not repeated, not even where it is taken for something else."""
        for url in MISTAKES:
            with self.subTest(url=url):
                with pytest.raises(ConfigError) as caught:
                    RedisOptions.from_url(url)
                assert caught.value.key == "broker.url"
                assert "expected" in caught.value.problem
                assert SECRET.lower() not in str(caught.value).lower()

    def test_the_part_of_a_sentinels_url_that_is_wrong(self) -> None:
        """It alone is blamed, beside a URL that would be right."""
        parts = ("the service,", "the host of", "the port of")
        for url, blamed in BLAMED.items():
            with self.subTest(url=url):
                with pytest.raises(ConfigError) as caught:
                    RedisOptions.from_url(url)
                problem = caught.value.problem
                assert blamed in problem
                assert [part for part in parts if part in problem] == [part for part in parts if part in blamed]
                (example,) = re.findall(r"such as (\S+),", problem)
                assert RedisOptions.from_url(example).service == "mymaster"

    def test_display_url(self) -> None:
        """People see where it is and who we are, and no password."""
        for url, shown in (
            ("redis://relay:secret@h", "redis://relay@h:6379"),
            ("redis://:secret@[::1]/2", "redis://[::1]:6379/2"),
            ("rediss://h:1", "rediss://h:1"),
            ("redis+unix://relay:secret@/run/r.sock?db=2", "redis+unix://relay@/run/r.sock?db=2"),
            (
                "redis+sentinel://u:secret@a,[::1]:2/m/3?sentinel_password=secret",
                "redis+sentinel://u@a:26379,[::1]:2/m/3",
            ),
        ):
            options = RedisOptions.from_url(url)
            assert options.display_url == shown
            assert "secret" not in repr(options)

    def test_prefixes(self) -> None:
        """A prefix has the characters of names, and none under which a name could become one of the relay's keys."""
        assert RedisOptions.from_url("redis://h", prefix="t1:").prefix == "t1:"
        for prefix in ("pulsetw:", "pulsetw:x", "p", "pulse", "a*", "a b", "a,", "x" * 101):
            with self.subTest(prefix=prefix):
                with pytest.raises(ConfigError) as caught:
                    RedisOptions.from_url("redis://h", prefix=prefix)
                assert caught.value.key == "broker.prefix"

    def test_tls_settings_need_tls(self) -> None:
        """Whoever names an authority means TLS: plain text would be a surprise."""
        for name in ("ca_file", "server_name"):
            with pytest.raises(ConfigError) as caught:
                RedisOptions.from_url("redis://h", **{name: "x"})
            assert caught.value.key == f"broker.{name}"
        assert RedisOptions.from_url("rediss://h", ca_file="ca.pem", server_name="n").server_name == "n"

    @given(_words, _words, st.integers(1, 65535), st.integers(0, 999))
    def test_credentials_come_through(self, user: str, password: str, port: int, db: int) -> None:
        """Whatever is percent-encoded comes out as it was."""
        url = f"redis://{quote(user, safe='')}:{quote(password, safe='')}@host:{port}/{db}"
        options = RedisOptions.from_url(url)
        assert (options.user, options.password, options.port, options.db) == (user, password, port, db)

    @given(st.text(max_size=40))
    def test_any_text_is_a_url_or_a_mistake(self, rest: str) -> None:
        """No text makes anything but options or a `ConfigError`."""
        for scheme in ("redis://", "redis+unix://", "rediss://:p@", "redis+sentinel://a", ""):
            try:
                RedisOptions.from_url(scheme + rest)
            except ConfigError as error:
                assert "expected" in error.problem  # noqa: PT017 -- either is right
