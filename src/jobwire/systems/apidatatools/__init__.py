"""The vendor system apidatatools: tools that format, validate and convert, at once or as jobs. Tools: tools/."""
