"""The site: a search page, a JSON API and what they need, over any store, through the same search as the command line.

request ─► safety (host, key, rate, origin) ─► a page or the API ─► Site.search ─► sightsound.searching.search
"""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

import sightsound.blas  # noqa: F401 (before what imports NumPy)
from sightsound.webapp import (
    api,
    asking,
    compression,
    errors,
    health,
    items,
    logs,
    media,
    metrics,
    picking,
    safety,
    site,
    state,
)
from sightsound.webapp.pages import basket, item, search
from sightsound.webapp.settings import SiteSettings
from sightsound.webapp.site import Site


def create_app(settings: SiteSettings | None = None) -> Flask:
    """The site as a WSGI application. Opens no store and loads no model before the first request.

    settings: None for what `sightsound.toml` and the environment say.
    """
    app = Flask("sightsound.webapp", static_folder="static", template_folder="templates")
    made = Site(settings or SiteSettings.read())
    app.extensions[site.EXTENSION] = made
    app.json.sort_keys = False  # type: ignore[attr-defined]
    if made.settings.behind_proxy:
        count = made.settings.behind_proxy
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    errors.register(app)
    logs.register(app)
    safety.register(app)
    compression.register(app)
    asking.register(app)
    media.register(app)
    state.register(app)
    for blueprint in (
        *(health.pages, metrics.pages, api.pages, items.pages, picking.pages, media.pages),
        *(search.pages, item.pages, basket.pages, state.pages),
    ):
        app.register_blueprint(blueprint)
    made.registry.call_each("register_pages", lambda plugin: {"app": app})
    return app
