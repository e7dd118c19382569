"""Backplanes carry messages between the servers of one application."""

from hubline.backplanes.base import Backplane, BackplaneLink, BackplaneListener
from hubline.backplanes.memory import MemoryBackplane

__all__ = ["Backplane", "BackplaneLink", "BackplaneListener", "MemoryBackplane"]
