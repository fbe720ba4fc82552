"""Hand-written doubles for what stands below the unit tests: they implement the interfaces and record calls."""

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from pulsetw.errors import BrokerAway
from pulsetw.interfaces import BrokerStatus, IBroker, IChannels, IFollower, ITransport


def ids(prefix="id"):
    """A function that counts: id1, id2, ..."""
    number = 0

    def new_id():
        nonlocal number
        number += 1
        return f"{prefix}{number}"

    return new_id


@implementer(IBroker)
class FakeBroker:
    """Answers each publish with the next of `answers`, or at once with None; `hold` keeps all answers back.

    A sync gets the next of `pages`; without one it waits in `syncs`.
    """

    url = "fake://"

    def __init__(self):
        self.calls = []
        self.published = []
        self.histories = []
        self.pages = []
        self.syncs = []
        self.answers = []
        self.held = []
        self.hold = False
        self.is_away = False
        self.receiver = None
        self.subscriptions = {}
        self.state = BrokerStatus("fake://", True, True)

    def start(self, receiver):
        self.receiver = receiver
        self.calls.append(("start",))

    def stop(self):
        self.calls.append(("stop",))
        for deferred in self.subscriptions.values():
            if not deferred.called:
                deferred.errback(BrokerAway("stopped"))
        return succeed(None)

    def publish(self, channel, event_id, payload, history=None):
        self.published.append((channel, event_id, payload))
        self.histories.append(history)
        if self.is_away:
            return fail(BrokerAway("away"))
        if self.hold:
            deferred = Deferred()
            self.held.append(deferred)
            return deferred
        answer = self.answers.pop(0) if self.answers else None
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def sync(self, channel, position, limit, *, begins=True):
        self.calls.append(("sync", channel, position))
        page = self.pages.pop(0) if self.pages else None
        if page is not None:
            return fail(page) if isinstance(page, Exception) else succeed(page)
        waiting = Deferred()
        self.syncs.append(waiting)
        return waiting

    def subscribe(self, name, *, history=False):
        self.calls.append(("subscribe", name, "history") if history else ("subscribe", name))
        waiting = self.subscriptions[name] = Deferred()
        if not self.hold:
            waiting.callback(None)
        return waiting

    def unsubscribe(self, name):
        self.calls.append(("unsubscribe", name))

    def status(self):
        return self.state


@implementer(IFollower)
class FakeFollower:
    """Keeps what it is given."""

    def __init__(self):
        self.publications = []
        self.pasts = []
        self.notices = []
        self.cuts = []
        self.places = []
        self.states = []
        self.gathered = []

    def publication(self, publication):
        self.publications.append(publication)

    def past(self, channel, publications):
        self.pasts.append((channel, publications))

    def noticed(self, channel, notice):
        self.notices.append((channel, notice))

    def cut(self, channel, notice):
        self.cuts.append((channel, notice))

    def placed(self, channel, lineage, top):
        self.places.append((channel, lineage, top))

    def gathering(self, is_on):
        self.gathered.append(is_on)

    def stale(self, since_ms):
        self.states.append(since_ms)

    def fresh(self):
        self.states.append("fresh")


@implementer(IChannels)
class FakeChannels:
    """Subscriptions stand at once unless `hold`; publishes succeed unless `failure`; reads wait in `reads`."""

    def __init__(self):
        self.calls = []
        self.waiting = {}
        self.reads = []
        self.hold = False
        self.failure = None

    def follow(self, channel, follower):
        self.calls.append(("follow", channel))
        waiting = self.waiting[channel] = Deferred()
        if not self.hold:
            waiting.callback(None)
        return waiting

    def unfollow(self, channel, follower):
        self.calls.append(("unfollow", channel))

    def publish(self, channel, event, *, id=None, exclude=None):
        self.calls.append(("publish", channel, event.type, bytes(event.data)))
        return succeed(None) if self.failure is None else fail(self.failure)

    def read(self, channel, position, limit):
        self.calls.append(("read", channel, position, limit))
        self.reads.append(Deferred())
        return self.reads[-1]


@implementer(ITransport)
class FakeTransport:
    """Keeps the messages, one item for each send."""

    peer = "192.0.2.1"

    def __init__(self):
        self.sent = []
        self.calls = []
        self.connection = None

    def send(self, data):
        self.sent.append(data)

    def ping(self):
        self.calls.append("ping")

    def unsent(self):
        return 0

    def pause(self):
        self.calls.append("pause")

    def resume(self):
        self.calls.append("resume")

    def close(self, disconnect):
        self.calls.append(("close", int(disconnect.code)))

    def abort(self):
        self.calls.append("abort")
