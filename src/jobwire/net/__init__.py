"""Fetching from the outside world safely. Start at fetch.py; guard.py holds the rule it stands on."""
