"""Reads what jobs depend on: for the client, and for handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator

from leasemq import convert
from leasemq.checking import made
from leasemq.connection import Connection
from leasemq.model import DependencyInfo
from leasemq.v1 import producer_pb2

PAGE_SIZE = 100


async def dependencies(connection: Connection, queue: str, job_id: str) -> AsyncIterator[DependencyInfo]:
    """Iterate over the jobs that a job depends on, by queue and id."""
    request = made(producer_pb2.GetDependenciesRequest, queue=queue, job_id=job_id, page_size=PAGE_SIZE)
    while True:
        page = await connection.call(connection.stubs.producer.GetDependencies, request)
        for dependency in page.dependencies:
            yield convert.dependency_info(dependency)
        request.page_token = page.next_page_token
        if not request.page_token:
            return
