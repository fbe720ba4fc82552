"""The numbers of many workers."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.workers.totals import Totals


def total(*documents):
    totals = Totals()
    for document in documents:
        totals.add(document)
    return totals.document


class TotalsTests(SynchronousTestCase):
    def test_counts_are_sums(self):
        """Also where only one has them, and below other names."""
        self.assertEqual(
            total(
                {"publisher": {"total_published": 1, "channel_stats": {"a": 1, "b": 2}}},
                {"publisher": {"total_published": 2, "channel_stats": {"b": 3}}},
            ),
            {"publisher": {"total_published": 3, "channel_stats": {"a": 1, "b": 5}}},
        )

    def test_of_times_the_last_counts_and_of_waits_the_longest(self):
        """One that has none yet does not count."""
        documents = [{"x": {"last_publish_time": time, "round_trip_ms": ms}} for time, ms in ((5, 0.1), (None, 0.3))]
        for both in (documents, documents[::-1]):
            self.assertEqual(total(*both), {"x": {"last_publish_time": 5, "round_trip_ms": 0.3}})

    def test_it_is_healthy_when_all_are_and_has_given_up_when_one_has(self):
        """A reason is that of one who has one."""
        one = {"is_healthy": True, "gave_up": False, "reason": ""}
        other = {"is_healthy": False, "gave_up": True, "reason": "refused"}
        for both in ((one, other), (other, one)):
            documents = [{"health": health} for health in both]
            self.assertEqual(total(*documents), {"health": {"is_healthy": False, "gave_up": True, "reason": "refused"}})

    def test_they_send_directly_when_all_do(self):
        """Otherwise the reason of one that does not is told, whoever comes first."""
        documents = [{"front": {"direct_send": text}} for text in ("yes", "what was sent still shows")]
        for both in (documents, documents[::-1]):
            self.assertEqual(total(*both), documents[1])
        self.assertEqual(total(documents[0], documents[0]), documents[0])

    def test_what_is_added_is_not_changed(self):
        """It is another's."""
        document = {"hub": {"errors": {"100": 1}}}
        total(document, document)
        self.assertEqual(document, {"hub": {"errors": {"100": 1}}})

    def test_of_one_that_has_ended_only_what_was_counted_stays(self):
        """No connection is open, how it sent is past, and its health is nobody's."""
        totals = Totals()
        totals.add_counters(
            {
                "health": {"is_healthy": False},
                "hub": {"connections": 3, "deliveries": 9},
                "front": {"connections": 3, "direct_send": "what was sent still shows"},
            }
        )
        self.assertEqual(totals.document, {"hub": {"connections": 0, "deliveries": 9}, "front": {"connections": 0}})
