"""rentix: property listings published with translated texts, a location and optimised photos."""
