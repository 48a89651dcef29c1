"""Tables in files: CSV, JSON lines, Parquet and XLSX, read and written in constant memory. Start at spec.py."""
