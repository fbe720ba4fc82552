"""A channel's new events go to its subscribers in slices: who is where in the middle of it."""

from msgspec import Raw

from pulsetw.hub.channel import Channel
from pulsetw.model import Event, Notice, Publication
from tests.unit.hub.history_case import ONE, Client, HistoryTests


class SlicedTests(HistoryTests):
    def setUp(self):
        super().setUp()
        self.clients = [self.join(name=str(number))[0] for number in range(250)]

    def append(self, offset, id="", exclude=""):
        event = Event("t", Raw(b"{}"), id=id or str(offset))
        self.channel.append(Publication("c", event, self.lineage.at(offset), exclude))

    def slice(self):
        """Sends to some; how many events were delivered."""
        before = self.counts.deliveries
        self.channel.send_some(lambda: True)
        return self.counts.deliveries - before

    def got(self):
        """What the clients have, and how many of them."""
        kinds = [tuple(client.got) for client in self.clients]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def finish(self):
        while not self.channel.is_flushed:
            self.slice()

    def test_each_slice_reaches_some_and_all_get_all_in_order(self):
        """What comes meanwhile waits, and is joined."""
        self.append(1)
        self.assertEqual(self.slice(), 100)
        self.append(2)
        self.append(3)
        self.assertEqual([self.slice(), self.slice()], [100, 50])
        self.assertEqual(self.got(), {("1",): 250})
        self.finish()
        self.assertEqual(self.got(), {("1", "2", "3"): 250})
        self.channel.flush()
        self.assertEqual(self.counts.deliveries, 750)

    def test_who_comes_in_the_middle_gets_what_follows(self):
        """It begins behind what is on its way, and behind that only."""
        self.append(1)
        self.slice()
        self.append(2)
        late, begins = self.join()
        self.finish()
        self.assertEqual((begins.position, late.got), (ONE.at(1), ["2"]))
        early, _ = self.join(since=ONE.at(0))
        self.assertEqual(early.got, ["1", "2"])

    def test_who_leaves_in_the_middle_gets_nothing_more(self):
        """Even if it comes back before all were reached."""
        self.append(1)
        self.slice()
        gone, back = [client for client in self.clients if not client.got][:2]
        self.channel.remove(gone)
        self.channel.remove(back)
        self.channel.add(back)
        self.finish()
        self.assertEqual((gone.got, back.got), ([], []))
        self.append(2)
        self.finish()
        self.assertEqual((gone.got, back.got), ([], ["2"]))

    def test_who_chokes_before_it_is_reached_keeps_its_place(self):
        """However far the others are when it drains."""
        self.append(1)
        self.slice()
        slow = next(client for client in self.clients if not client.got)
        slow.room = 0
        self.append(2)
        self.finish()
        slow.room = 10
        self.channel.catch_up(slow)
        self.assertEqual(self.got(), {("1", "2"): 250})

    def test_without_a_history_what_is_on_its_way_is_kept_for_them(self):
        """Though nobody was behind when it was sent."""
        self.channel = Channel("c", 10**6, counts=self.counts)
        for client in self.clients:
            self.channel.add(client)
        self.append(1)
        self.slice()
        self.channel.remove(self.clients.pop())
        slow = next(client for client in self.clients if not client.got)
        slow.room = 0
        self.finish()
        slow.room = 10
        self.channel.catch_up(slow)
        self.assertEqual(self.got(), {("1",): 249})

    def test_who_is_ahead_is_so_until_it_is_reached(self):
        """Whoever catches up meanwhile."""
        ahead = Client("ahead", self.wire)
        self.clients[:0] = [ahead]
        self.channel.add(ahead, ONE.at(2))
        for client in self.clients[1:]:
            self.channel.remove(client)
            self.channel.add(client)
        self.append(1)
        self.append(2)
        self.slice()
        self.channel.catch_up(self.join(since=ONE.at(0))[0])
        self.finish()
        self.assertEqual(ahead.got, [])

    def test_a_notice_comes_behind_what_is_on_its_way(self):
        """A cut, too, and where the log stands."""
        self.append(1)
        self.slice()
        self.channel.noticed(Notice("trimmed", ONE.at(1), ONE.at(3)))
        self.append(4)
        self.slice()
        self.fork(2)
        self.assertEqual(self.got(), {("1", ("trimmed", 1, 3), "4", ("diverged", 4, 2)): 250})

    def test_what_is_for_some_only_is_chosen_in_every_slice(self):
        """Who is excluded, and who has had the event."""
        self.append(1, exclude=self.clients[0].client)
        self.append(2)
        self.finish()
        self.assertEqual(self.got(), {("1", "2"): 249, ("2",): 1})
        self.assertEqual(self.counts.deliveries, 499)
        ahead = Client("ahead", self.wire)
        self.channel.add(ahead, ONE.at(3))
        self.append(3)
        self.append(4)
        self.finish()
        self.assertEqual(ahead.got, ["4"])

    def test_one_that_cannot_be_sent_to_costs_nobody_else(self):
        """It is cut off; those behind it in the same slice get theirs, and so do the rest."""
        broken = self.clients[120]
        broken.send = lambda data: {}[data]
        broken.abort = lambda: broken.got.append("cut off")
        self.append(1)
        self.finish()
        self.assertEqual(self.got(), {("1",): 249, ("cut off",): 1})
        self.assertEqual(self.counts.deliveries, 249)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_the_log_is_read_whole_in_the_middle(self):
        """What waits for its flush is in the history already."""
        self.append(1)
        self.slice()
        self.append(2)
        offsets = [each.position.offset for each in self.channel.history(None, 10)]
        self.assertEqual((offsets, self.channel.position), ([1, 2], ONE.at(2)))
        self.assertEqual([each.position.offset for each in self.channel.history(ONE.at(1), 10)], [2])
