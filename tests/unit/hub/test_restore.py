"""Channels with a history: what a ring takes back from the log, and a model of all of it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from pulsetw.model import Branch, Event, Lineage, Notice, Publication
from tests.unit.hub.history_case import ONE, HistoryTests


class RestoreTests(HistoryTests):
    def log(self, *offsets, ids=""):
        """What the broker's log has."""
        return [Publication("c", Event("t", Raw(b"{}"), id=ids or str(n)), self.lineage.at(n)) for n in offsets]

    def forget(self, keep=0):
        self.channel._ring.trim(self.channel._ring.end - keep, 10**6)

    def test_it_reaches_back_before_the_relays_first_event(self):
        """Numbers are negative there."""
        self.make(top=5)
        self.publish(6)
        self.channel.restore(self.log(3, 4, 5, 6), 2, is_all=False)
        self.assertEqual(self.begins(ONE.at(2)), (2, None, ["3", "4", "5", "6"]))
        self.assertEqual([each.event.id for each in self.channel.history(None, 3)], ["4", "5", "6"])
        self.fork(3)
        self.assertEqual(self.begins(ONE.at(2))[2], ["3"])

    def test_a_ring_with_a_log_that_is_no_more_is_left_alone(self):
        """What came before would stand behind it."""
        self.publish(1, 2)
        other = Lineage("f", (Branch("b1", 0),))
        self.channel.noticed(Notice("epoch", ONE.at(2), other.at(3)))
        self.lineage = other
        self.channel.placed(other, 3)
        self.publish(4)
        self.channel.restore(self.log(1, 2, 3), 0, is_all=False)
        self.assertEqual(self.begins(other.at(1)), (3, ("trimmed", other.at(1), other.at(3)), ["4"]))

    def test_a_first_copy_that_is_forgotten_is_not_mistaken_for_what_is_restored(self):
        """Under its number stands another event now; who was sent that one has not had the first."""
        self.publish(1, 2, 3, 4)
        self.fork(2)
        self.publish(3, ids="4")
        self.publish(4, ids="5")
        self.forget(keep=2)
        self.channel.restore(self.log(1, 2), 0, is_all=False)
        self.forget(keep=1)
        self.channel.restore([*self.log(1, 2), *self.log(3, ids="4")], 0, is_all=False)
        self.assertEqual(self.begins(ONE.at(0))[2], ["1", "2", "4", "5"])

    def test_a_copy_whose_first_is_forgotten_goes_to_who_comes_back(self):
        """The first was on a dead branch, and its number is used again."""
        self.publish(1, 2, 3, 4)
        self.fork(1)
        self.publish(2, ids="3")
        self.forget(keep=1)
        ring = self.channel._ring
        self.assertEqual([ring[number].firsts for number in range(ring.first, ring.end)], [(2,)])
        older = self.log(1)
        self.channel._ring.floor = self.lineage.at(1)
        self.channel.restore([*older, *older, *older], 0, is_all=False)
        self.assertEqual(self.begins(self.lineage.at(0))[2][-1], "3")

    def lose(self):
        """Somebody slow has read up to 1 of 4, and the ring begins with 4."""
        slow, _ = self.join(room=1)
        self.publish(1, 2, 3, 4)
        self.forget(keep=1)
        return slow

    def caught_up(self, slow):
        """What it has got in all, once it reads."""
        slow.room = 10
        self.channel.catch_up(slow)
        return slow.got

    def test_who_is_behind_goes_on_where_it_has_read_to(self):
        """And is not given twice what comes again after it."""
        slow = self.lose()
        self.assertEqual(self.channel.reach_back(slow), 1)
        self.channel.restore(self.log(1, 2, 3), 0, is_all=False)
        self.publish(5, ids="2")
        self.assertEqual(self.caught_up(slow), ["1", "2", "3", "4"])

    def test_who_is_behind_and_is_given_back_less_can_have_it_read_again(self):
        """Or is told of all that it lacks."""
        slow = self.lose()
        self.channel.restore(self.log(3), 2, is_all=False)
        self.assertEqual(self.channel.reach_back(slow), 1)
        self.assertEqual(self.caught_up(slow), ["1", ("slow", 1, 2), "3", "4"])

    def test_who_is_behind_a_notice_that_was_forgotten_is_told(self):
        """Reading the log again would not bring the notice back."""
        slow, _ = self.join(room=1)
        self.publish(1, 2)
        self.channel.noticed(Notice("failover", ONE.at(2), ONE.at(2)))
        self.publish(3, 4)
        self.forget(keep=1)
        self.assertIsNone(self.channel.reach_back(slow))
        self.channel.restore(self.log(1, 2, 3), 0, is_all=False)
        self.assertEqual(self.caught_up(slow), ["1", ("slow", 1, 3), "4"])

    def test_who_may_have_had_the_first_of_what_came_again_is_told(self):
        """Its copy would be given back without a word of the first."""
        self.local("7")
        slow = self.lose()
        self.publish(5, ids="7")
        self.publish(6)
        self.forget(keep=1)
        self.assertIsNone(self.channel.reach_back(slow))

    def test_what_is_too_much_to_be_read_for_who_was_slow_is_told_at_once(self):
        """A megabyte; who comes back from so far is nobody's fault, and may have it all."""
        slow, _ = self.join(room=0)
        text = Raw(b'"' + b"x" * 300_000 + b'"')
        for offset in range(1, 7):
            self.channel.append(Publication("c", Event("t", text, id=str(offset)), ONE.at(offset)))
        self.channel.flush()
        self.forget(keep=3)
        self.assertEqual(self.channel.reach_back(slow), 0)
        self.forget(keep=1)
        self.assertIsNone(self.channel.reach_back(slow))
        self.assertEqual(self.channel.lacks(ONE.at(0), 0), 0)
        self.assertEqual(self.caught_up(slow)[0], ("slow", 0, 5))

    def local(self, id):
        """An event that this server gives before the broker has it."""
        self.channel.append(Publication("c", Event("t", Raw(b"{}"), id=id), degraded=True))
        self.channel.flush()

    def test_an_event_given_before_its_place_and_forgotten_is_not_given_again(self):
        """But to those who came after it."""
        early, _ = self.join()
        self.local("a")
        self.publish(1)
        late, _ = self.join()
        self.forget()
        self.assertGreater(self.channel.kept_bytes, 0)
        self.publish(2, ids="a")
        self.assertEqual((early.got, late.got), (["a", "1"], ["a"]))
        self.assertEqual(self.channel.lacks(ONE.at(0), 0), None)
        self.channel.restore(self.log(1), 0, is_all=True)
        self.assertEqual(self.begins(ONE.at(0))[1], ("trimmed", ONE.at(0), ONE.at(1)))
        self.publish(3)
        self.forget(keep=1)
        self.assertEqual(self.channel.lacks(ONE.at(0), 0), 0)

    @given(st.lists(st.sampled_from("pppprfbbcd"), max_size=60), st.integers(0, 3), st.integers(0, 3))
    @settings(max_examples=300, derandomize=True, deadline=None)
    def test_nobody_loses_anything_in_silence(self, steps, depth, keep):
        """However often the ring forgets, and is given back what the broker has."""
        self.lineage = ONE
        self.make()
        slow = self.join()[0]
        clients, log, dead, number, forks = [slow], [], [], 0, 0
        for step in steps:
            if step == "p":
                number += 1
                log.append(str(number))
                self.publish(len(log), ids=log[-1])
            elif step == "r" and dead:
                log.append(dead.pop(0))
                self.publish(len(log), ids=log[-1])
            elif step == "f" and log:
                fork, forks = max(0, len(log) - 1 - depth), forks + 1
                dead, log = log[fork:], log[:fork]
                self.fork(fork, f"f{forks}")
            elif step == "b":
                self.forget(keep)
                whole = [self.log(offset, ids=name)[0] for offset, name in enumerate(log, 1)]
                self.channel.restore(whole, 0, is_all=False)
                clients.append(self.join(self.lineage.at(0))[0])
            elif step in "cd":
                slow.room = 2 if step == "c" else 9
                self.channel.catch_up(slow)
        for client in clients:
            client.room = 10**9
            self.channel.catch_up(client)
            if not any(isinstance(item, tuple) and item[0] == "slow" for item in client.got):
                self.assertEqual([], [event for event in log if event not in client.got], client.got)


class ModelTests(HistoryTests):
    @given(st.lists(st.sampled_from("pppfcdrn"), max_size=60), st.integers(0, 3))
    @settings(max_examples=300, derandomize=True, deadline=None)
    def test_nobody_loses_anything_in_silence_or_has_it_twice(self, steps, depth):
        """Published, choked, drained, forked and published again, in any order; with a fork only `diverged` excuses."""
        self.lineage = ONE
        self.make()
        clients = [self.join(name=name)[0] for name in ("fast", "slow")]
        slow = clients[1]
        top, number, dead, forks = 0, 0, [], 0
        log = []
        for step in steps:
            if step == "p":
                top, number = top + 1, number + 1
                log.append(str(number))
                self.publish(top, ids=str(number))
            elif step == "r" and dead:
                top += 1
                log.append(dead.pop(0))
                self.publish(top, ids=log[-1])
            elif step == "f" and top:
                fork, forks = max(0, top - 1 - depth), forks + 1
                dead = log[fork:]
                log = log[:fork]
                top = fork
                self.fork(fork, f"f{forks}")
            elif step in "cd":
                slow.room = 2 if step == "c" else 9
                self.channel.catch_up(slow)
            elif step == "n":
                clients.append(self.join(self.lineage.at(max(0, top - 1)))[0])
        for client in clients:
            client.room = 10**9
            self.channel.catch_up(client)
        for client in clients:
            events = [item for item in client.got if isinstance(item, str)]
            self.assertEqual(len(events), len(set(events)), client.got)
        for client in clients[:2]:
            events = [item for item in client.got if isinstance(item, str)]
            self.assertEqual([], [event for event in log if event not in events])
            if not any(isinstance(item, tuple) for item in client.got):
                self.assertEqual(events, log)
