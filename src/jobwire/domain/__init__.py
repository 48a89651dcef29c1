"""Pure rules: no I/O, no clock, no randomness, no third party. Start at states.py."""
