"""What stands beside the four services: reflection, health, channelz."""

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from leasemq.v1 import admin_pb2, job_pb2

from tests.support import BrokerProcess, Stubs

SERVICES = {f"leasemq.v1.{name}Service" for name in ("Producer", "Worker", "Admin", "Schedule")}


async def test_reflection_lists_the_services_and_describes_them(stubs: Stubs):
    reflection = reflection_pb2_grpc.ServerReflectionStub(stubs.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="leasemq.v1.WorkerService"),
    ]
    listed, described = [answer async for answer in reflection.ServerReflectionInfo(iter(asked))]
    names = {service.name for service in listed.list_services_response.service}
    assert names >= SERVICES | {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    files = [FileDescriptorProto.FromString(data) for data in described.file_descriptor_response.file_descriptor_proto]
    methods = {method.name for file in files for service in file.service for method in service.method}
    assert {"LeaseJob", "SettleJobs", "WatchWorker"} <= methods


async def test_a_description_served_by_reflection_is_the_contract_itself(broker: BrokerProcess):
    """What grpcurl does: build the messages from what the server says, with no stubs at hand."""
    async with Stubs(broker.address) as stubs:
        reflection = reflection_pb2_grpc.ServerReflectionStub(stubs.channel)
        ask = reflection_pb2.ServerReflectionRequest(file_containing_symbol="leasemq.v1.GetStatsRequest")
        (answer,) = [answer async for answer in reflection.ServerReflectionInfo(iter([ask]))]
    files = [FileDescriptorProto.FromString(data) for data in answer.file_descriptor_response.file_descriptor_proto]
    assert admin_pb2.DESCRIPTOR.name in {file.name for file in files}


async def test_health_is_serving_for_the_server_and_for_each_service(stubs: Stubs):
    health = health_pb2_grpc.HealthStub(stubs.channel)
    for service in ("", *SERVICES):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, service


async def test_channelz_counts_the_calls(stubs: Stubs):
    channelz = channelz_pb2_grpc.ChannelzStub(stubs.channel)
    (before,) = (await channelz.GetServers(channelz_pb2.GetServersRequest())).server
    await stubs.stats("any")
    (after,) = (await channelz.GetServers(channelz_pb2.GetServersRequest())).server
    assert after.data.calls_started >= before.data.calls_started + 2


async def test_the_server_says_what_it_is_and_what_it_stands_on(stubs: Stubs):
    info = await stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
    assert info.version
    assert (info.store.kind, info.store.embedded) == ("valkey", True)
    assert info.store.version
    assert info.store.default_durability == info.store.max_durability == job_pb2.DURABILITY_FSYNC
    assert not info.store.warnings
    assert info.store.used_memory_bytes > 0
    assert (info.max_payload_bytes, info.max_batch_size) == (1024 * 1024, 1000)
    assert info.HasField("start_time")


async def test_an_unknown_method_is_unimplemented(stubs: Stubs):
    call = stubs.channel.unary_unary("/leasemq.v1.AdminService/Explode")
    try:
        await call(b"")
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED  # noqa: PT017 - the code is the fact, any error would do else
    else:
        raise AssertionError("it was accepted")
