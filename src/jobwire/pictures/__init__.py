"""Untrusted pictures: what they are and their pixels. Start at decode.py; callers run it in a limited child."""
