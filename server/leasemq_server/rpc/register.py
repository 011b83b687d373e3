"""Binds a servicer's methods to the RPCs of a service, by its descriptor.

Domain errors become statuses here and nowhere else.

Lease calls are unary for the client, but served by a streaming handler: only there does the server learn whether its
one reply was written to a connection that still lives (docs/decisions/0003). On the wire the two are the same.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from leasemq_server.errors import DomainError
from leasemq_server.rpc.errors import grpc_status
from leasemq_server.rpc.gate import Gate

log = structlog.get_logger("leasemq")

Handler = Callable[[Any, Any], Awaitable[Any]]


def register(server: Any, service: ServiceDescriptor, servicer: Any, gate: Gate) -> None:
    """Adds all RPCs of a service to the server. A servicer's `writes_reply` names those that write their one reply themselves."""
    handlers = {method.name: _handler(method, servicer, gate) for method in service.methods}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    server.add_registered_method_handlers(service.full_name, handlers)


def _handler(method: MethodDescriptor, servicer: Any, gate: Gate) -> Any:
    make = grpc.unary_unary_rpc_method_handler
    if method.client_streaming:
        make = grpc.stream_stream_rpc_method_handler
    elif method.server_streaming or method.name in servicer.writes_reply:
        make = grpc.unary_stream_rpc_method_handler
    return make(
        _guarded(method.name, getattr(servicer, method.name), gate),
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=_serialized,
    )


def _serialized(reply: Message | bytes) -> bytes:
    """Handlers of the hot path write bytes themselves (rpc/wire.py)."""
    return reply if isinstance(reply, bytes) else reply.SerializeToString()


def _guarded(name: str, call: Handler, gate: Gate) -> Handler:
    async def guarded(request: Any, context: Any) -> Any:
        try:
            with gate:
                return await call(request, context)
        except DomainError as error:
            await context.abort_with_status(grpc_status(error))
        except (grpc.aio.AbortError, grpc.RpcError):
            raise
        except Exception:
            log.exception("call failed", rpc=name)
            await context.abort(grpc.StatusCode.INTERNAL, f"{name} failed; the server's log says why")

    return guarded
