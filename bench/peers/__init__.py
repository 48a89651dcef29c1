"""The queues Jobwire is measured beside; table.py lists them, each runs in a virtual environment of its own.

The `*_peer` files run there, with nothing of this project but bench.ticks, bench.orders and peers/child.py.
"""

# What a peer's program is told by its environment: where its queue is, and which worker it is.
ADDRESS = "BENCH_ADDRESS"
WORKER = "BENCH_WORKER"

# Jobs that go through before the time of a run with a producer begins.
WARM_JOBS = 20
