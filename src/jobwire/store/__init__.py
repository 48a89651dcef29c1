"""The durable ledger and queue: contract.py is the promise, sqlite.py an engine that keeps it."""
