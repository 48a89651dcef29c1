"""What a job is to its author: a kind, its input schema and the Context its handler sees. Start at contract.py."""
