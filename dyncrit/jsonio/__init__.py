"""Documents as text: JSON and NDJSON, read and written entry by entry, whatever their size."""
