"""The store's verbs for metrics: a part of `Store`. Scripts count (lua/lib/publish_metrics.lua); here it is read."""

from leasemq_server.jobs.metrics import Counts
from leasemq_server.store.calls import Calls


class MetricVerbs(Calls):
    """What `Store` has to say about metrics."""

    async def read_metrics(self, queue: str, hour: int) -> dict[int, Counts]:
        """What was counted in an hour (hours since 1970), by the minute of the hour."""
        flat = await self._run("read_metrics", queue, hour=hour)
        fields = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        minutes: dict[int, Counts] = {}
        for field, count in fields:
            minute, _, what = field.decode().partition(":")
            minutes.setdefault(int(minute), {})[what] = int(count)
        return minutes
