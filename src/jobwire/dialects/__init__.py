"""A wire language as data: spec.py is the grammar, native.py the first table. http/app.py serves them."""
