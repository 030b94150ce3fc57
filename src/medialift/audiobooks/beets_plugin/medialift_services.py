"""For beets, not for medialift: beets-audible asks the services that medialift is set to.

Loaded before `audible`. Its configuration: {audible: {region: address}, audnexus: address}.
"""

# mypy: ignore-errors

import tldextract

# At import beets-audible splits addresses, for which the list of public suffixes is fetched from the web.
tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

from beets.plugins import BeetsPlugin  # noqa: E402
from beetsplug import api  # noqa: E402


class MedialiftServices(BeetsPlugin):
    def __init__(self):
        super().__init__()
        api.AUDIBLE_ENDPOINTS.update(self.config["audible"].get(dict))
        api.AUDNEX_ENDPOINT = self.config["audnexus"].get(str)
