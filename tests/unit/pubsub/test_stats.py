"""Counts."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.pubsub.stats import PublisherStats, SubscriberStats


class StatsTests(SynchronousTestCase):
    def test_the_names_that_operators_know(self):
        """They are part of the interface."""
        publisher = PublisherStats()
        publisher.succeeded("a", 5)
        names = [
            "total_published",
            "successful_publishes",
            "failed_publishes",
            "degraded_publishes",
            "last_publish_time",
            "channel_stats",
        ]
        self.assertEqual(list(publisher.as_dict()), names)
        self.assertEqual(publisher.as_dict()["channel_stats"], {"a": 1})
        subscriber = SubscriberStats()
        subscriber.received("a", 7)
        subscriber.failed("invalid")
        told = subscriber.as_dict()
        names = ["total_received", "processed_events", "failed_events", "last_receive_time", "channel_stats"]
        self.assertEqual(list(told)[:5], names)
        self.assertEqual((told["last_receive_time"], told["failed_events"], told["failures"]), (7, 1, {"invalid": 1}))

    def test_names_of_channels_cannot_fill_the_memory(self):
        """After a thousand the others are counted together."""
        stats = SubscriberStats()
        for number in range(1500):
            stats.received(f"c{number}", 0)
        stats.received("c1", 0)
        self.assertEqual(len(stats.channel_stats), 1001)
        self.assertEqual((stats.channel_stats["(others)"], stats.channel_stats["c1"]), (500, 2))
