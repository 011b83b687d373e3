"""The store's verb for deduplication keys: a part of `Store`. Taking and freeing them is part of adding and finishing."""

from leasemq_server.store.calls import Calls


class DeduplicationVerbs(Calls):
    """What `Store` has to say about deduplication keys."""

    async def remove_deduplication_key(self, queue: str, key: str) -> str:
        """Frees a key; returns the id of the job that held it, or ""."""
        reply: bytes = await self._run("dedup_remove", queue, key=key)
        return reply.decode()
