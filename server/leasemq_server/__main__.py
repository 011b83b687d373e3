"""`python -m leasemq_server [options]` is `leasemq serve [options]`."""

from leasemq_server.cli import main

if __name__ == "__main__":
    main("serve")
