"""ListGroups and UpdateGroup: a part of AdminService."""

from typing import Any

from leasemq.v1 import admin_pb2

from leasemq_server.broker.broker import Broker
from leasemq_server.errors import QueueNotFoundError
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.options import group_options
from leasemq_server.jobs.pages import listing_of, page_parts, page_token
from leasemq_server.rpc.encode import check_mask, with_fields
from leasemq_server.store.groups import StoredGroup, is_place


class GroupHandlers:
    """Reads and steers the groups of a queue."""

    _broker: Broker

    async def ListGroups(self, request: admin_pb2.ListGroupsRequest, _: Any) -> admin_pb2.ListGroupsResponse:
        check = Check()
        queue = check.queue(request.queue)
        check.text(request.group, "group", required=False)
        size = check.page_size(request.page_size)
        after = page_parts(request.page_token, (listing_of(request), str, int), check)
        if after and not is_place(after[1]):
            check.wrong("page_token", "must be the next_page_token of the same listing")
        check.done()
        store = self._broker.store
        place, passed = (after[1], after[2]) if after else ("", 0)
        names, following = ([request.group], "") if request.group else await store.group_names(queue, place)
        found = await store.read_groups(queue, names[passed : passed + size]) if names else []
        response = admin_pb2.ListGroupsResponse(groups=[_message(it) for it in found if it.is_there])
        if len(names) > passed + size:
            response.next_page_token = page_token(listing_of(request), place, passed + size)
        elif following:
            response.next_page_token = page_token(listing_of(request), following, 0)
        return response

    async def UpdateGroup(self, request: admin_pb2.UpdateGroupRequest, _: Any) -> admin_pb2.UpdateGroupResponse:
        check = Check()
        queue = check.queue(request.queue)
        group = check.text(request.group, "group")
        if not request.HasField("config"):
            check.wrong("config", "is required")
        group_options(request.config, check)
        check.done()
        check_mask(request.update_mask, "update_mask", admin_pb2.GroupConfig)
        store = self._broker.store
        if not await store.queue_exists(queue):
            raise QueueNotFoundError(queue)
        while True:
            (stored,) = await store.read_groups(queue, [group])
            config = with_fields(admin_pb2.GroupConfig.FromString(stored.config), request.config, request.update_mask)
            options = group_options(config, check)  # parts that a mask picked may not go together with what is there
            check.done()
            if await store.configure_group(queue, group, stored.config, config.SerializeToString(), options):
                (stored,) = await store.read_groups(queue, [group])
                return admin_pb2.UpdateGroupResponse(group=_message(stored))


def _message(stored: StoredGroup) -> admin_pb2.Group:
    return admin_pb2.Group(
        name=stored.name,
        config=admin_pb2.GroupConfig.FromString(stored.config),
        waiting=stored.waiting,
        active=stored.active,
    )
