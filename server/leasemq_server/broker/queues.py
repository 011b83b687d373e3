"""Which queues there are: registered in the store before their first job, so that every broker ticks them."""

from leasemq_server.store.store import Store


class Queues:
    """The queues that this broker knows to be registered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.known: set[str] = set()

    async def register(self, queue: str) -> None:
        """Makes sure that all brokers will know the queue."""
        if queue not in self.known:
            await self._store.register_queue(queue)
            self.known.add(queue)

    def forget(self, queue: str) -> None:
        """The queue was deleted: register it again when it is used again."""
        self.known.discard(queue)

    async def refresh(self) -> None:
        """Takes over what other brokers registered and deleted."""
        names: set[str] = set()
        after = ""
        while page := await self._store.queue_names(after):
            names.update(page)
            after = page[-1]
        self.known = names
