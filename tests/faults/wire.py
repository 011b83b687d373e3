"""gRPC over a bare socket, by h2: a client that a forked child can use at once, and that has no threads to lose."""

import socket
import struct
from collections.abc import Iterator
from typing import TypeVar

import h2.config
import h2.connection
import h2.events
from google.protobuf.message import Message

Reply = TypeVar("Reply", bound=Message)


class RefusedError(Exception):
    """The call ended with another status than OK."""


class Wire:
    """One connection; calls are made one after another, and streams may stay open beside them."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._authority = address
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http.initiate_connection()
        self._http.increment_flow_control_window(2**30)
        self._buffers: dict[int, bytearray] = {}
        self._flush()

    def call(self, method: str, request: Message, reply: type[Reply]) -> Reply:
        """A unary call: "Worker/LeaseJob"."""
        return self.read(self.start(method, request), reply)

    def start(self, method: str, request: Message, *, more: bool = False) -> int:
        """Sends a request, perhaps with more to follow; returns its stream."""
        service, _, name = method.partition("/")
        stream = self._http.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", self._authority),
            (":path", f"/leasemq.v1.{service}Service/{name}"),
            ("te", "trailers"),
            ("content-type", "application/grpc+proto"),
        ]
        body = request.SerializeToString()
        self._buffers[stream] = bytearray()
        self._http.send_headers(stream, headers)
        self._http.send_data(stream, struct.pack(">BI", 0, len(body)) + body, end_stream=not more)
        self._flush()
        return stream

    def read(self, stream: int, reply: type[Reply]) -> Reply:
        """The next message of a stream."""
        buffer = self._buffers[stream]
        while len(buffer) < 5 or len(buffer) < 5 + struct.unpack(">I", buffer[1:5])[0]:
            self._receive(stream)
        end = 5 + struct.unpack(">I", buffer[1:5])[0]
        message = reply.FromString(bytes(buffer[5:end]))
        del buffer[:end]
        return message

    def close(self) -> None:
        self._socket.close()

    def _receive(self, awaited: int) -> None:
        for event in self._events():
            if isinstance(event, h2.events.DataReceived):
                self._buffers[event.stream_id] += event.data
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif getattr(event, "stream_id", None) != awaited:
                continue
            elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                _check_status(dict(event.headers))
            elif isinstance(event, h2.events.StreamReset):
                raise RefusedError(f"the stream was reset: {event.error_code}")
        self._flush()

    def _events(self) -> Iterator[h2.events.Event]:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the broker closed the connection")
        yield from self._http.receive_data(data)

    def _flush(self) -> None:
        self._socket.sendall(self._http.data_to_send())


def _check_status(headers: dict[str, str]) -> None:
    if headers.get("grpc-status", "0") != "0":
        raise RefusedError(f"{headers['grpc-status']}: {headers.get('grpc-message')}")
