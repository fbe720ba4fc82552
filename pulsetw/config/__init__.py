"""Every setting of a relay: a TOML file, then the environment, then the command line, in rising order."""

from pulsetw.config.channels import load_catalogue, load_channels
from pulsetw.config.loading import load
from pulsetw.config.settings import (
    AuthSettings,
    BrokerSettings,
    CatalogueSettings,
    Config,
    Limits,
    ServerSettings,
)

__all__ = [
    "AuthSettings",
    "BrokerSettings",
    "CatalogueSettings",
    "Config",
    "Limits",
    "ServerSettings",
    "load",
    "load_catalogue",
    "load_channels",
]
