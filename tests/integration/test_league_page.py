"""The example league: a real relay, a real league, and its page in headless Chromium."""

import signal

from playwright.sync_api import Browser, Page

from tests.integration.league import Demo, agree, loads_of, opened, says, scripted

ORDER = "[...document.querySelectorAll('#table tr')].map((row) => row.dataset.key).join()"


def table_moves(page: Page) -> None:
    page.wait_for_function(f"(before) => {ORDER} !== before", arg=page.evaluate(ORDER))


def test_the_table_moves(demo: Demo, browser: Browser) -> None:
    """The order changes while one looks, and stays right by the events alone, without loading it again."""
    demo.start_relay()
    with opened(browser, demo.page_url) as page:
        says(page, f"live: connected to {demo.ws_url}")
        agree(page)
        loads = loads_of(page)
        table_moves(page)
        seq = -1
        for _ in range(3):
            seq = agree(page, seq)
            table_moves(page)
        assert loads == []
        for state in ("created", "started", "completed"):
            page.wait_for_selector(f"#matches li[data-state={state}]")


def test_a_player_gets_that_players_notifications(demo: Demo, browser: Browser) -> None:
    """Results, which the relay makes, and achievements reach the chosen player's page and no other."""
    demo.start_relay()
    with opened(browser, demo.page_url) as page, opened(browser, f"{demo.page_url}#grace") as other:
        for one, player in ((page, "ada"), (other, "grace")):
            if player == "ada":
                one.select_option("#player", "ada")
            says(one, f"as {player.title()}")
            for kind in ("match_result", "achievement_unlocked"):
                one.wait_for_selector(f"#notifications li[data-type={kind}]")
        assert page.url.endswith("#ada")
        for one, player in ((page, "ada"), (other, "grace")):
            rows = one.locator("#notifications li")
            assert {row.get_attribute("data-player") for row in rows.all()} == {player}


def test_what_strangers_write_is_text(demo: Demo, browser: Browser) -> None:
    """Markup in an event is shown, not run."""
    demo.start_relay()
    with opened(browser, f"{demo.page_url}#ada") as page:
        says(page, "as Ada")
        message = "<img src=x onerror='document.title = \"broken\"'>"
        demo.publish("player:notifications", "greeting", {"playerId": "ada", "message": message})
        page.wait_for_selector("#notifications li[data-type=greeting]")
        assert page.locator("#notifications li[data-type=greeting] .words").inner_text() == message
        assert page.locator("main img").count() == 0


def test_a_full_refresh_loads_the_table_again(demo: Demo, browser: Browser) -> None:
    """Whoever publishes it is obeyed."""
    demo.start_relay()
    with opened(browser, demo.page_url) as page:
        says(page, "connected")
        agree(page)
        with page.expect_request("**/league.json"):
            demo.publish("leaderboard:updates", "leaderboard_update", {"fullRefresh": True})


def test_the_page_follows_a_new_season(demo: Demo, browser: Browser) -> None:
    """A league that is started again begins anew, and the page with it."""
    demo.start_relay()
    with opened(browser, demo.page_url) as page:
        says(page, "connected to")
        agree(page, 100)
        demo.stop_league()
        demo.start_league()
        page.wait_for_function("() => Number(document.querySelector('#table .wins').textContent) <= 1")
        agree(page)
        table_moves(page)


def test_the_league_ends_by_ctrl_c(demo: Demo) -> None:
    """Without a traceback."""
    demo.league.send_signal(signal.SIGINT)
    assert demo.league.wait(10) == 0
    assert "Traceback" not in (demo.folder / "league.log").read_text()


def test_the_relay_says_when_to_come_back(demo: Demo, browser: Browser) -> None:
    """A draining relay spreads its clients over time; the page obeys."""
    with scripted(demo, browser) as (page, relay):
        goodbye = {"op": "disconnect", "code": 3001, "reason": "draining"}
        relay.say(**goodbye, reconnect=True, reconnectAfterMs=600_000)
        relay.sockets[-1].close(code=3001, reason="draining")
        says(page, "reconnecting in 600 s")
        page.clock.fast_forward(500_000)
        says(page, "reconnecting in")
        assert len(relay.sockets) == 1
        page.clock.fast_forward(110_000)
        says(page, "connected to")
        assert len(relay.sockets) == 2


def test_the_page_stays_away_when_told(demo: Demo, browser: Browser) -> None:
    """Who was thrown out does not knock again."""
    with scripted(demo, browser) as (page, relay):
        relay.say(op="disconnect", code=3500, reason="enough", reconnect=False)
        relay.sockets[-1].close(code=3500, reason="enough")
        says(page, "the relay said: enough")
        page.clock.fast_forward(3_600_000)
        says(page, "the relay said: enough")
        assert len(relay.sockets) == 1


def test_a_gap_loads_the_table_again(demo: Demo, browser: Browser) -> None:
    """Where events were missed the page asks for the whole, when the relay says."""
    with scripted(demo, browser) as (page, relay), page.expect_request("**/league.json"):
        relay.say(op="gap", channel="match:events", reason="slow", reloadAfterMs=5_000)
        page.clock.fast_forward(6_000)


def test_a_silent_relay_is_left(demo: Demo, browser: Browser) -> None:
    """After a silence the page asks; without an answer it connects anew."""
    with scripted(demo, browser) as (page, relay):
        page.clock.fast_forward(25_500)
        page.clock.fast_forward(10_500)
        page.wait_for_function("() => document.getElementById('connection').dataset.state !== 'live'")
        page.clock.fast_forward(1_000)
        says(page, "connected to")
        assert len(relay.sockets) == 2
