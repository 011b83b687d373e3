"""Says whether a queue keeps up: fails, as a check of a monitoring system does, when jobs waited for longer than they may.

python examples/late_queue.py QUEUE [SECONDS]        (LEASEMQ_ADDRESS says where the broker is)

Exit code 0: in time; 1: late; 2: wrong usage; 3: it can't tell, as there is no such queue, or no broker.
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta

from leasemq import LeaseMQError
from leasemq.sync import Client

LOOK_BACK = timedelta(minutes=10)


def main(queue: str, seconds: float) -> int:
    allowed = timedelta(seconds=seconds)
    with Client() as client:
        client.admin.queue(queue)  # QueueNotFound: a name that is misspelt is not in time
        points = client.admin.metrics(queue, start=datetime.now(UTC) - LOOK_BACK)
        oldest = client.admin.stats(queue).oldest_waiting_age or timedelta(0)
    waits = [point.wait_time.p95 for point in points if point.wait_time]
    done, failed = sum(point.completed for point in points), sum(point.failed for point in points)
    print(f"{queue}: {done} completed and {failed} failed in {LOOK_BACK}; the next job has waited {oldest}")
    late = max([oldest, *waits])
    print(f"late by {late - allowed}" if late > allowed else f"in time: nobody waited for more than {late}")
    return int(late > allowed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queue", metavar="QUEUE")
    parser.add_argument("seconds", metavar="SECONDS", type=float, nargs="?", default=60.0)
    arguments = parser.parse_args()
    try:
        sys.exit(main(arguments.queue, arguments.seconds))
    except LeaseMQError as error:
        print(f"can't tell: {error}", file=sys.stderr)
        sys.exit(3)
