"""Jobwire: the job API that customers poll, ready-made. Start at app.py; docs/architecture.md is the map."""
