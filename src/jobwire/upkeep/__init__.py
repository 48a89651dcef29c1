"""Keeps the ledger healthy, safe to run many times: promote, rescue, prune. Start at rounds.py."""
