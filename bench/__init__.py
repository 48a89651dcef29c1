"""Measures Jobwire on SQLite and PostgreSQL beside its peers and bare uvicorn: `python -m bench`; and how it behaves
with a backlog, a pinned snapshot and a flood: `python -m bench backlog|vacuum|fair|webhooks|tools`.
docs/performance.md explains."""
