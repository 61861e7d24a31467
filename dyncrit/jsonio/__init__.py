"""Documents as text: JSON and NDJSON, read and written entry by entry, whatever their size."""

from dyncrit.jsonio.reader import DocumentReader
from dyncrit.jsonio.writer import DocumentWriter, Format

__all__ = ["DocumentReader", "DocumentWriter", "Format"]
