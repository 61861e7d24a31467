"""The interface of pycriu: a script for it runs with ``from dyncrit.compat import pycriu`` instead."""

from dyncrit.compat.pycriu import images

__all__ = ["images"]
