"""Measures Jobwire against Huey on SQLite and against bare uvicorn; `python -m bench`. docs/performance.md has the
figures and what they mean."""
