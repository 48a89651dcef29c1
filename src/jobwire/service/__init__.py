"""The use cases, and the only door to the ledger for http, dashboard and cli. Start at jobs.py."""
