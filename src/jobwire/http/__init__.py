"""The ASGI app made from dialects. Start at app.py."""
