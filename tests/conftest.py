"""What every suite needs."""

import signal

# A shell that starts the tests in the background lets them ignore Ctrl-C, and each program that they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)
