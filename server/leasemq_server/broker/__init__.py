"""What the broker itself keeps.

Parked polls, calls to be made together, who waits for what. Nothing that a restart may not lose.
"""
