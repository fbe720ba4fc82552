"""All who take part, as they stand in the tables."""

from collections.abc import Iterable

from tests.bench.load.programs import Missing
from tests.bench.peers import relay, scripted
from tests.bench.peers.compiled import LIMIT, LIMIT_JOINED, NCHAN, NCHAN_REDIS
from tests.bench.peers.contender import Contender
from tests.bench.report import progress

CONTENDERS = (
    LIMIT,
    LIMIT_JOINED,
    relay.WITH_HISTORY,
    relay.PLAIN,
    relay.WORKERS,
    relay.PERSONAL,
    NCHAN,
    NCHAN_REDIS,
    *scripted.CONTENDERS,
)


def installed(wanted: Iterable[Contender]) -> dict[Contender, str]:
    """Those that can be installed here, with their versions; the others are left out with a word."""
    versions = {}
    for contender in wanted:
        try:
            versions[contender] = contender.install()
        except Missing as error:
            progress(f"{contender.title} is left out: {error}")
    return versions
