"""Runs attempts: claim, run, settle. Start at loop.py."""
