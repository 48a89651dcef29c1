"""Tables in files: CSV, JSON lines, Parquet and XLSX read row by row and written in constant memory. Start at spec.py."""
