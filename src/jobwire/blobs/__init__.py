"""Big bytes in and out, addressed by their content. Start at contract.py."""
