"""What must hold between the keys of groups, whatever was done: lua/lib/turns.lua says how they go together."""

from typing import Any

FIRST_TURN = 2**53
SHUT_FOR_GOOD = 1e15


async def disorder(client: Any, queue: str) -> list[str]:
    """What does not fit, one line each."""
    base = f"lmq:q:{{{queue}}}:"
    wait = {job: score async for job, score in _members(client, base + "wait")}
    behind = {job: score async for job, score in _members(client, base + "behind")}
    shut = {group: score async for group, score in _members(client, base + "shut")}
    heads = {group.decode(): value.decode().split(" ", 2) for group, value in (await client.hgetall(base + "heads")).items()}
    prefix = base + "line:"
    lines = {
        key.decode().removeprefix(prefix): {job: score async for job, score in _members(client, key.decode())}
        async for key in client.scan_iter(match=_literal(prefix) + "*", count=1000)
    }
    in_lines = {job: score for line in lines.values() for job, score in line.items()}
    leases = {job async for job, _ in _members(client, base + "leases")}
    leased = [member.split("\n") async for member, _ in _members(client, base + "group_leases")]
    problems = [
        (sorted(job for job, score in wait.items() if score >= FIRST_TURN) != sorted(it[2] for it in heads.values()), "heads"),
        (in_lines != behind or sum(map(len, lines.values())) != len(behind), "behind is not what the lines hold"),
        (any(group in heads for group in shut), "a group has a head and is shut"),
        (any(group not in lines for group in shut), "a group is shut and has no line"),
        (any(group not in heads and group not in shut for group in lines), "a line has no head and is not shut"),
        (
            any(min(line.values()) < float(heads[group][0]) for group, line in lines.items() if group in heads),
            "a head is not the first",
        ),
        (not {job for _, job in leased} <= leases, "a lease of a group is none"),
    ]
    groups = {**{it[2]: group for group, it in heads.items()}, **{job: group for group, line in lines.items() for job in line}}
    groups.update({job: group for group, job in leased})
    jobs = [*wait, *behind, *leases]
    specs = await client.mget([f"{base}spec:{job}" for job in jobs]) if jobs else []
    for job, spec in zip(jobs, specs, strict=True):
        head = (spec or b"").partition(b"\n")[0].decode()
        if (head + "\t").split("\t")[1] != groups.get(job, ""):
            problems.append((True, f"{job} is of {head!r}, and stands in {groups.get(job)!r}"))
    return [f"{queue}: {what}" for is_wrong, what in problems if is_wrong]


async def _members(client: Any, key: str) -> Any:
    for member, score in await client.zrange(key, 0, -1, withscores=True):
        yield member.decode(), float(score)


def _literal(text: str) -> str:
    return "".join(f"\\{char}" if char in "*?[]\\" else char for char in text)
