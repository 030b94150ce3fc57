"""Tell the dashboard of a burst: its journal and its report come into the ledger and outlive the instance.

What is to be told is kept in an outbox first, and leaves it when the dashboard has taken it. One that is away
costs a burst nothing: whoever posts next takes along what is still there.
"""

from medialift.plex.posting.dashboard import Dashboard
from medialift.plex.posting.following import follow
from medialift.plex.posting.outbox import Delivered, Outbox
from medialift.plex.posting.post import Post, of_burst, of_import

__all__ = ["Dashboard", "Delivered", "Outbox", "Post", "follow", "of_burst", "of_import"]
