"""How fast LeaseMQ is, and how that compares: `python -m bench` (see docs/benchmarks.md).

The harness starts one store, LeaseMQ's broker on it and, for each side, two client processes, one that adds and one that works
(`client.py` for LeaseMQ, `bullmq/client.mjs` for BullMQ). It tells them what to do by JSON lines, one run after the other and
the sides in turn, reads the CPU time that each process used meanwhile, and reports medians and ratios.
"""
