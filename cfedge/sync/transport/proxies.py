"""The environment's proxies: ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``."""

from __future__ import annotations

import urllib.request
from urllib.parse import unquote, urlsplit

import urllib3

from cfedge.errors import UsageError
from cfedge.sync.transport.address import shown

__all__ = ["proxied"]


def proxied(url: str) -> urllib3.PoolManager:
    """Return connections to the host of `url`, through its proxy where it has one.

    Raises
    ------
    UsageError
        The proxy's address is none.
    """
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None or urllib.request.proxy_bypass(parts.hostname or ""):
        return urllib3.PoolManager()
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        found = urlsplit(proxy)
        user = (
            f"{unquote(found.username)}:{unquote(found.password or '')}" if found.username else None
        )
        headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
        return urllib3.ProxyManager(found.geturl(), proxy_headers=headers)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UsageError(
            f"{parts.scheme}_proxy: expected the URL of an http proxy, found {shown(proxy)!r};"
            " correct or unset it"
        ) from error
