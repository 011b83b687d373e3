"""Settings: flags, environment, and the message that each bad one gets."""

from pathlib import Path

import pytest
from leasemq_server.config import is_loopback, load_settings
from leasemq_server.errors import StartError
from leasemq_server.store.connect import NO_DATABASE, NO_URL


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN", "STORE", "DATA_DIR", "DURABILITY", "INSECURE", "STORE_FSYNC"):
        monkeypatch.delenv(f"LEASEMQ_{name}", raising=False)


def test_the_defaults_are_loopback_and_the_embedded_store_that_fsyncs() -> None:
    settings = load_settings()
    assert (settings.listen, settings.store, settings.data_dir) == ("127.0.0.1:7878", None, Path("leasemq-data"))
    assert (settings.store_fsync, settings.durability, settings.max_payload_bytes) == ("always", "memory", 1024 * 1024)


def test_the_environment_sets_and_a_flag_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASEMQ_LISTEN", "127.0.0.1:1111")
    monkeypatch.setenv("LEASEMQ_STORE", "redis://host")
    settings = load_settings(listen="127.0.0.1:2222")
    assert (settings.listen, settings.store) == ("127.0.0.1:2222", "redis://host")


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:7878", "[::1]:7878", "127.1.2.3:65535"])
def test_loopback_needs_nothing_more(listen: str) -> None:
    assert load_settings(listen=listen).listen == listen
    assert is_loopback(listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:7878", "[::]:7878", "192.168.0.1:1", "example.org:7878"])
def test_another_address_needs_a_word(listen: str) -> None:
    with pytest.raises(StartError) as caught:
        load_settings(listen=listen)
    assert str(caught.value) == (
        f"listen {listen} is not a loopback address, and there is no authentication yet: "
        "listen on 127.0.0.1, or say --insecure if the network itself is trusted"
    )
    assert load_settings(listen=listen, insecure=True).listen == listen


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"listen": "7878"}, "--listen: must be HOST:PORT; got '7878'"),
        ({"listen": ":7878"}, "--listen: must be HOST:PORT; got ':7878'"),
        ({"listen": "127.0.0.1:"}, "--listen: must be HOST:PORT; got '127.0.0.1:'"),
        ({"listen": "127.0.0.1:http"}, "--listen: must be HOST:PORT; got '127.0.0.1:http'"),
        ({"listen": "127.0.0.1:65536"}, "--listen: must be HOST:PORT; got '127.0.0.1:65536'"),
        (
            {"store": "localhost:6379"},
            "--store: must begin with one of redis://, rediss://, unix://, memory://; got 'localhost:6379'",
        ),
        (
            {"store": "mysql://me:secret@host/db"},
            "--store: must begin with one of redis://, rediss://, unix://, memory://; got 'mysql://***@host/db'",
        ),
        ({"store": "redis://:hun/ter2@h:1"}, f"--store: {NO_URL}"),
        ({"store": "redis://h:1/abc"}, f"--store: {NO_DATABASE}"),
        ({"store_fsync": "no"}, "--store-fsync: Input should be 'always' or 'everysec'"),
        ({"durability": "disk"}, "--durability: Input should be 'memory', 'fsync' or 'replicated'"),
        ({"replicas": 0}, "--replicas: Input should be greater than or equal to 1"),
        ({"max_payload_bytes": 0}, "--max-payload-bytes: Input should be greater than or equal to 1"),
        ({"max_payload_bytes": 2**40}, "--max-payload-bytes: Input should be less than or equal to 67108864"),
        ({"log_format": "xml"}, "--log-format: Input should be 'text' or 'json'"),
        ({"log_level": "loud"}, "--log-level: Input should be 'debug', 'info', 'warning' or 'error'"),
        ({"drain_timeout": -1}, "--drain-timeout: Input should be greater than or equal to 0"),
        ({"drain_timeout": "soon"}, "--drain-timeout: Input should be a valid number, unable to parse string as a number"),
    ],
)
def test_a_bad_setting_is_named_with_its_rule(given: dict[str, object], message: str) -> None:
    with pytest.raises(StartError) as caught:
        load_settings(**given)
    assert str(caught.value) == message


def test_all_bad_settings_are_named_in_one_line() -> None:
    with pytest.raises(StartError) as caught:
        load_settings(replicas=0, log_format="xml")
    assert str(caught.value).split("; ") == [
        "--replicas: Input should be greater than or equal to 1",
        "--log-format: Input should be 'text' or 'json'",
    ]


def test_a_bad_setting_in_the_environment_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASEMQ_STORE_FSYNC", "never")
    with pytest.raises(StartError, match="--store-fsync: "):
        load_settings()
