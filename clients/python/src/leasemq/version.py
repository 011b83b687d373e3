"""The version of this SDK."""

from importlib import metadata

__version__ = metadata.version("leasemq")
