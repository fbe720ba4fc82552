"""The declarations of channels that the settings name."""

import importlib

from pulsetw.catalogue import Catalogue, Channel
from pulsetw.catalogue.builtin import builtin_channels
from pulsetw.config.settings import Config, rule_key
from pulsetw.errors import ChannelError, ConfigError


def load_catalogue(config: Config) -> Catalogue:
    """The declarations that the settings name, with their rules.

    Raises:
        ConfigError: see `load_channels`; or a rule asks for a history that its channel cannot have.
    """
    channels = load_channels(config)
    try:
        return Catalogue(channels, config.channels)
    except ChannelError as error:
        raise ConfigError(rule_key(error.channel), error.problem) from None


def load_channels(config: Config) -> list[Channel]:
    """The built-in channels, if they are wanted, and those of each module, in this order.

    Raises:
        ConfigError: a module cannot be imported (its own error is the cause), has no list of channels called
            ``CHANNELS``, or declares a channel that is declared before it.
    """
    channels = builtin_channels() if config.catalogue.builtin else []
    declared_by = {channel.name: "the built-in catalogue" for channel in channels}
    for index, name in enumerate(config.catalogue.modules):
        key = f"catalogue.modules[{index}]"
        for channel in _channels_of(key, name):
            if channel.name in declared_by:
                raise ConfigError(key, f"{name} declares {channel.name}, and so does {declared_by[channel.name]}")
            declared_by[channel.name] = name
            channels.append(channel)
    return channels


def _channels_of(key: str, name: str) -> list[Channel]:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a module may raise anything while it is imported
        raise ConfigError(key, f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    channels = getattr(module, "CHANNELS", None)
    if not isinstance(channels, list | tuple) or not all(isinstance(channel, Channel) for channel in channels):
        raise ConfigError(key, f"{name} has no list of pulsetw.catalogue.Channel called CHANNELS")
    return list(channels)
