"""Moves a whole ledger to another engine or place. Start at move.py."""
