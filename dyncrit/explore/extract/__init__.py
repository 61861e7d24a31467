"""What the images of a checkpoint carry, as files of a folder with a listing."""

from dyncrit.explore.extract.item import Item
from dyncrit.explore.extract.run import LISTING, Extraction, extract

__all__ = ["LISTING", "Extraction", "Item", "extract"]
