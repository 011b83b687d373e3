"""The LeaseMQ broker."""

from importlib.metadata import version

__version__ = version("leasemq-server")
