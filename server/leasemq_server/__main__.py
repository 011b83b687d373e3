"""`python -m leasemq_server [options]` is `leasemq serve [options]`."""

import sys

from leasemq_server.cli.app import COMMANDS, run

if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(run(arguments if arguments and arguments[0] in COMMANDS else ["serve", *arguments]))
