"""Make a library of small real media files, named and tagged as Plex expects, always the same for a seed."""

from sandbox.media.maker import Bucket, Made, make
from sandbox.media.plan import MediaFile, plan

__all__ = ["Bucket", "Made", "MediaFile", "make", "plan"]
