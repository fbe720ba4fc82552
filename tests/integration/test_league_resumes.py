"""The example league's page loses nothing: reloaded in the middle, or with its relay stopped and started again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.league import START, Demo, agree, demonstration, loads_of, opened, says, scripted
from tests.integration.redis_server import RedisServer


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_demo(tmp_path: Path, redis: RedisServer) -> Iterator[Demo]:
    with demonstration(tmp_path, f"redis://127.0.0.1:{redis.port}/0") as demo:
        yield demo


def test_a_reload_in_the_middle_loses_nothing(demo: Demo, browser: Browser) -> None:
    """The page goes on from its positions: by events alone each result counts, and counts once."""
    demo.start_relay()
    with opened(browser, demo.page_url) as page:
        says(page, "live")
        seq = agree(page, 20)
        loads = loads_of(page)
        for _ in range(5):
            page.reload()
            seq = agree(page, seq)
        page.goto("about:blank")
        demo.plays_on(60)
        page.goto(demo.page_url)
        agree(page, seq + 60)
        assert loads == []


def test_stale_without_the_relay_and_live_with_it(redis_demo: Demo, browser: Browser) -> None:
    """A relay is killed and started again on the same Redis: the page says so at once, and nothing is lost."""
    relay = redis_demo.start_relay()
    with opened(browser, redis_demo.page_url) as page:
        says(page, "live")
        seq = agree(page, 20)
        loads = loads_of(page)
        relay.kill()
        says(page, "stale since", 5_000)
        assert page.locator("#connection").get_attribute("data-state") == "stale"
        redis_demo.plays_on(40)
        redis_demo.start_relay()
        says(page, "live")
        agree(page, seq + 80)
        assert loads == []


def test_reloaded_while_the_relay_is_away(redis_demo: Demo, browser: Browser) -> None:
    """The page shows what it knew, says that it is stale, and goes on from there when the relay is back."""
    relay = redis_demo.start_relay()
    with opened(browser, redis_demo.page_url) as page:
        says(page, "live")
        seq = agree(page, 20)
        loads = loads_of(page)
        relay.kill()
        for _ in range(2):
            page.reload()
            says(page, "stale since", 5_000)
            page.wait_for_selector("#table tr")
        redis_demo.plays_on(40)
        redis_demo.start_relay()
        says(page, "live")
        agree(page, seq + 80)
        assert loads == []


def test_stale_while_the_relay_is_cut_from_redis(redis_demo: Demo, redis: RedisServer, browser: Browser) -> None:
    """The relay says it, the page shows it; afterwards nothing is missing."""
    redis_demo.start_relay()
    with opened(browser, redis_demo.page_url) as page:
        says(page, "live")
        seq = agree(page, 20)
        loads = loads_of(page)
        redis.freeze()
        says(page, "the relay is cut off from Redis")
        redis.thaw()
        says(page, "live")
        agree(page, seq + 80)
        assert loads == []


def test_a_relay_that_lost_its_memory(demo: Demo, browser: Browser) -> None:
    """Without Redis a relay begins anew when it is started again: a gap, and the page loads the table once."""
    relay = demo.start_relay()
    with opened(browser, demo.page_url) as page:
        says(page, "live")
        seq = agree(page, 20)
        relay.kill()
        says(page, "stale since", 5_000)
        with page.expect_request("**/league.json"):
            demo.start_relay()
        says(page, "live")
        seq = agree(page, seq)
        loads = loads_of(page)
        agree(page, agree(page, seq) + 50)
        assert loads == []
    told = (demo.folder / "league.log").read_text().splitlines()
    assert [line.split(" (")[0] for line in told][-2:] == ["league: the relay is away", "league: the relay is back"]


def test_notifications_outlive_a_reload(demo: Demo, browser: Browser) -> None:
    """Those that were shown are shown again, and the page says that others may be missing: they have no history."""
    demo.start_relay()
    with opened(browser, f"{demo.page_url}#ada") as page:
        page.wait_for_selector("#notifications li:nth-child(2)")
        before = page.locator("#notifications .words").all_inner_texts()
        page.reload()
        gap = page.wait_for_selector("#notifications li[data-type=gap]")
        assert gap is not None
        assert "some may be missing" in gap.inner_text()
        assert page.locator("#notifications .words").all_inner_texts()[-len(before) :] == before


def test_a_reloaded_page_goes_on_from_its_positions(demo: Demo, browser: Browser) -> None:
    """It asks for what came after the last event, and counts an event once, whatever comes again."""
    with scripted(demo, browser) as (page, relay):
        season = page.evaluate("async () => (await (await fetch('league.json')).json()).season")
        match = {"matchId": "m", "player1Id": "ada", "player2Id": "grace", "winnerId": "ada", "ratingChanges": {}}
        event = {"type": "match_completed", "channel": "match:events", "data": match, "timestamp": 1, "serverId": "s"}
        assert relay.subscribed["match:events"]["last"] == 1000
        played = int(page.locator("#played").inner_text().split()[0])
        for offset in (6, 7):
            relay.say(**event, id=f"league-{season}-{offset}000000", offset=offset, epoch="e")
        expect(page.locator("#played")).to_have_text(f"{played + 2} played")
        page.reload()
        says(page, "live")
        assert relay.subscribed["match:events"]["since"] == {"offset": 7, "epoch": "e"}
        assert relay.subscribed["leaderboard:updates"]["since"] == START
        for offset in (8, 9):
            relay.say(**event, id=f"league-{season}-{offset - 1}000000", offset=offset, epoch="e")
        expect(page.locator("#played")).to_have_text(f"{played + 3} played")


def test_a_table_with_a_gap_is_not_kept(demo: Demo, browser: Browser) -> None:
    """A page that is reloaded between a gap and its new table begins with a new one; without a gap it needs none."""
    with scripted(demo, browser) as (page, relay):
        loads = loads_of(page)
        page.reload()
        says(page, "live")
        assert loads == []
        relay.say(op="gap", channel="match:events", reason="slow", reloadAfterMs=60_000)
        page.wait_for_selector("#stale:not([hidden])")
        page.reload()
        says(page, "live")
        assert len(loads) == 1
