"""The broker's version."""

from importlib.metadata import version

__version__ = version("leasemq-server")
