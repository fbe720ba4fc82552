"""``make picture``: the README's picture of the league, anew. Needs Chromium and the ports of ``make run``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
PICTURE = HERE.parents[1] / "images" / "league.png"
PLAYER = "ada"
NOTIFICATIONS = 9
LIMIT_MS = 180_000


def main() -> None:
    """Plays, at a pace at which the table moves in any moment, until the chosen player was told enough."""
    command = [sys.executable, "-u", str(HERE / "run.py")]
    environment = {**os.environ, "PACE": "0.2"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as demo:  # noqa: S603 -- our own
        try:
            take(page_address(demo))
        finally:
            demo.terminate()


def page_address(demo: "subprocess.Popen[str]") -> str:
    """What the league prints when it serves its page."""
    for line in demo.stdout or ():
        if "page:" in line:
            return line.split()[-1]
    raise SystemExit("picture: the demo did not start")


def take(address: str) -> None:
    """Writes the picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 740})
        page.goto(f"{address}#{PLAYER}")
        page.locator(f"#notifications li:nth-child({NOTIFICATIONS})").wait_for(state="attached", timeout=LIMIT_MS)
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
