"""Asks the site in this container whether it is ready: exit code 0 if so, else 1 and one line that says why."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

URL = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/readyz"
# Not through a proxy, whatever the environment says.
ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

try:
    with ask(URL, timeout=4) as answer:
        print(answer.read(300).decode())
except (OSError, urllib.error.HTTPError) as error:
    sys.exit(f"{URL}: {error}")
