"""The LeaseMQ broker."""

import os

# Before grpc is imported anywhere: children (the embedded store, programs that work jobs) exec at once, so gRPC need not
# care for forks, and what it says below errors is not for operators.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
