"""The declarations of channels that the settings name."""

import sys
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Channel, Rule
from pulsetw.config import CatalogueSettings, Config, load_catalogue, load_channels
from pulsetw.errors import ConfigError


class LoadChannelsTests(SynchronousTestCase):
    def module(self, name, **members):
        module = ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module
        self.addCleanup(sys.modules.pop, name, None)

    def load(self, *modules, builtin=True):
        channels = load_channels(Config(catalogue=CatalogueSettings(builtin=builtin, modules=modules)))
        return [channel.name for channel in channels]

    def error(self, *modules):
        return self.assertRaises(ConfigError, self.load, *modules)

    def test_the_built_in_channels(self):
        names = ["leaderboard:updates", "match:events", "player:notifications", "system:events"]
        self.assertEqual(self.load(), names)
        self.assertEqual(self.load(builtin=False), [])

    def test_those_of_modules_follow_in_order(self):
        self.module("shop_a", CHANNELS=[Channel("a:1"), Channel("a:2")])
        self.module("shop_b", CHANNELS=(Channel("b:1"),))
        self.assertEqual(self.load("shop_b", "shop_a", builtin=False), ["b:1", "a:1", "a:2"])

    def test_a_module_that_is_not_there(self):
        error = self.error("json", "no_such_module")
        self.assertEqual(error.key, "catalogue.modules[0]")
        self.module("shop", CHANNELS=[])
        error = self.error("shop", "no_such_module")
        self.assertEqual(error.key, "catalogue.modules[1]")
        self.assertIn("cannot be imported: ModuleNotFoundError", error.problem)

    def test_a_module_without_channels(self):
        for members in ({}, {"CHANNELS": "abc"}, {"CHANNELS": [1]}, {"CHANNELS": None}):
            self.module("shop", **members)
            self.assertIn("CHANNELS", self.error("shop").problem)

    def test_a_channel_that_is_declared_twice(self):
        self.module("shop", CHANNELS=[Channel("match:events")])
        self.assertIn("shop declares match:events, and so does the built-in catalogue", self.error("shop").problem)


class LoadCatalogueTests(SynchronousTestCase):
    def test_declarations_and_rules_come_together(self):
        catalogue = load_catalogue(Config(channels={"shop:*": Rule(history_size=9)}))
        self.assertEqual(catalogue.rule("shop:a").history_size, 9)
        self.assertEqual(catalogue.rule("match:events"), Rule())

    def test_a_rule_that_its_channel_cannot_keep(self):
        config = Config(channels={"player:notifications": Rule(history_size=9)})
        error = self.assertRaises(ConfigError, load_catalogue, config)
        self.assertEqual(error.key, 'channels."player:notifications"')
        self.assertIn("can keep no history", error.problem)
