#!/bin/sh
# The server answers /identity long before it is usable; the real image asks no more either.
exec python3 -c "import urllib.request as r; r.urlopen('http://127.0.0.1:32400/identity', timeout=1)"
