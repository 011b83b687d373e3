"""Changing one job that has not started."""

from leasemq_server.errors import JobNotFoundError, JobNotInStateError
from leasemq_server.jobs.changes import Change, changed
from leasemq_server.store.reading import parse_blob
from leasemq_server.store.store import Store


async def update_job(store: Store, queue: str, job_id: str, change: Change) -> None:
    """Applies a change to the job as it is, again when somebody else changed it meanwhile.

    Raises:
        JobNotFoundError: there is no such job.
        JobNotInStateError: it is neither WAITING nor DELAYED.
    """
    word = "CONFLICT"
    while word == "CONFLICT":
        blob = await store.stored_spec(queue, job_id)
        if blob is None:
            raise JobNotFoundError(queue, job_id)
        _, options, spec = parse_blob(blob)
        new = changed(spec, options, change)
        word, state = await store.update_if(queue, job_id, blob, new.spec, new.options, to_tail=new.to_tail, run_ms=change.run_ms)
    if word == "JOB_NOT_FOUND":
        raise JobNotFoundError(queue, job_id)
    if word == "JOB_NOT_IN_STATE":
        raise JobNotInStateError(job_id, state)
