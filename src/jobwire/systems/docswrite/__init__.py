"""docswrite: documents become posts of a WordPress. document.py is what lies between reading and writing.

source.py reads a file into a document, content.py writes it as HTML or blocks, pictures.py prepares its pictures;
these three run in a limited child. wordpress.py talks to the site.
"""
