"""An album: photos are resized side by side, then a job that waits for all of them packs the results.

    python examples/flow_album.py        (LEASEMQ_ADDRESS says where the broker is)

The packing job doesn't know yet how many pages the album needs: it adds a job for each, and waits for them while it runs.
"""

import asyncio

from leasemq import BlockOn, Client, Dependency, FlowNode, Job, NewJob, OnFailure, Worker

PHOTOS = ("beach.jpg", "forest.jpg", "broken.jpg", "city.jpg")
PHOTOS_A_PAGE = 2


async def add_album(client: Client, album: str) -> None:
    # A photo that can't be read must not cost the album: the edge says RUN, and the handler sees what became of it.
    photos = [FlowNode("resize", NewJob(name, id=f"{album}-{name}"), name) for name in PHOTOS]
    pack = FlowNode("pack", NewJob(name="pack", id=album), depends_on=[(name, OnFailure.RUN) for name in PHOTOS])
    added = await client.add_flow([pack, *photos])
    print(f"{album} is {added[0].state.name}, its photos are {added[1].state.name}")


async def resize(job: Job) -> str:
    if "broken" in job.payload:
        raise ValueError(f"{job.payload} is no photo")
    return f"small {job.payload}"


async def layout(job: Job) -> str:
    return " + ".join(job.payload)


async def main() -> None:
    async with Client() as client:

        async def pack(job: Job) -> list[str]:
            done = await job.dependencies()
            pages = [it for it in done if it.queue == "layout"]
            if not pages:
                photos = [it.result for it in done if it.raw_result]
                print(f"{len(photos)} of {len(done)} photos are good")
                parts = [photos[at : at + PHOTOS_A_PAGE] for at in range(0, len(photos), PHOTOS_A_PAGE)]
                # the ids are the same at each run, so that a run that was interrupted adds each page once
                added = [await client.add("layout", part, id=f"{job.id}-page-{n}") for n, part in enumerate(parts, start=1)]
                raise BlockOn(Dependency("layout", page.id) for page in added)
            return [page.result for page in pages]

        async with (
            Worker(client, "resize", resize, on_failed=lambda job, error: print(f"{job.id} failed: {error}")),
            Worker(client, "layout", layout),
            Worker(client, "pack", pack),
        ):
            await add_album(client, "album-1")
            album = await client.wait("pack", "album-1", 30)
        for number, page in enumerate(album.result, start=1):
            print(f"page {number}: {page}")


if __name__ == "__main__":
    asyncio.run(main())
