"""All settings, in one object that is validated whole.

Each has a flag of `leasemq serve` and an environment variable LEASEMQ_<NAME>.
"""

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from leasemq_server.errors import StartError
from leasemq_server.store.connect import SCHEMES, connect, redact


class Settings(BaseSettings):
    """How a broker runs."""

    model_config = SettingsConfigDict(env_prefix="LEASEMQ_", extra="ignore")

    listen: str = Field("127.0.0.1:7878", description="gRPC address, HOST:PORT; port 0 picks a free one")
    store: str | None = Field(None, description="store URL: redis://, rediss://, unix:// or memory://; none = the embedded store")
    data_dir: Path = Field(Path("leasemq-data"), description="where the embedded store keeps its data")
    store_fsync: Literal["always", "everysec"] = Field("always", description="when the embedded store writes to disk")
    durability: Literal["memory", "fsync", "replicated"] = Field(
        "memory", description="what an add waits for unless it says otherwise"
    )
    replicas: int = Field(1, ge=1, le=100, description="how many replicas `replicated` waits for")
    max_payload_bytes: int = Field(1024 * 1024, ge=1, le=64 * 1024 * 1024, description="the longest payload and result")
    insecure: bool = Field(default=False, description="listen on another address than loopback without authentication")
    log_format: Literal["text", "json"] = Field("text", description="how log lines look")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")
    drain_timeout: float = Field(30.0, ge=0, le=3600, description="seconds that calls in flight get at shutdown")

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, colon, port = value.rpartition(":")
        if not (host and colon and port.isdecimal() and int(port) <= 65535):  # noqa: PLR2004 - the highest port
            raise ValueError(f"must be HOST:PORT; got {value!r}")
        return value

    @field_validator("store")
    @classmethod
    def _of_a_store(cls, value: str | None) -> str | None:
        if value is not None and value.partition("://")[0] not in SCHEMES:
            raise ValueError(f"must begin with one of {', '.join(scheme + '://' for scheme in SCHEMES)}; got {redact(value)!r}")
        if value is not None:
            connect(value)  # it opens no connection, and says what is wrong with the URL
        return value

    @model_validator(mode="after")
    def _secure(self) -> "Settings":
        if not self.insecure and not is_loopback(self.listen):
            raise ValueError(
                f"listen {self.listen} is not a loopback address, and there is no authentication yet: "
                "listen on 127.0.0.1, or say --insecure if the network itself is trusted"
            )
        return self


def is_loopback(listen: str) -> bool:
    """Whether only this machine can reach the address."""
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(**given: object) -> Settings:
    """Settings from flags, which win, and the environment.

    Raises:
        StartError: a setting breaks its rule; one line names each, its rule and its value.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type] # validated by pydantic, which is the point
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_context=False):
            name = ".".join(str(part) for part in problem["loc"])
            flag = f"--{name.replace('_', '-')}: " if name else ""
            lines.append(flag + problem["msg"].removeprefix("Value error, "))
        raise StartError("; ".join(lines)) from None
