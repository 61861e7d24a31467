"""What the bytes mean: descriptors, the image table, and where both come from."""

from dyncrit.schema.layout import ImageType, RawFormat
from dyncrit.schema.schema import Schema, SchemaSource
from dyncrit.schema.table import ImageTable

__all__ = ["ImageTable", "ImageType", "RawFormat", "Schema", "SchemaSource"]
