"""Where a diploma may be downloaded from, and how long its link may wait (DESIGN.md section 4).

Rule: only from hosts and ports on the allow-list, by https (http only where the base URL is on this machine);
everything that two programs might read differently is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from diploma_archive.errors import LinkForbiddenError
from diploma_archive.settings.checks import is_ip_address

MAX_LINK_CHARACTERS = 8000
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+/[!-\[\]-~]*", re.ASCII)  # no blanks, controls or backslashes


@dataclass(frozen=True)
class LinkPolicy:
    """The places that links may point to: (host, port) pairs, and whether http is allowed."""

    hosts: frozenset[tuple[str, int]]
    allow_http: bool

    def check(self, link: str) -> httpx.URL:
        """Return a link as a URL that may be followed.

        Raises:
            LinkForbiddenError: it points elsewhere or is written oddly; the text does not hold it.
        """
        if len(link) > MAX_LINK_CHARACTERS or not _PLAIN_URL.fullmatch(link):
            raise _forbidden("is not a plain https address")
        try:
            parts = urlsplit(link)
            default_port = 443 if parts.scheme == "https" else 80
            port = parts.port or default_port
            url = httpx.URL(link)
        except (ValueError, httpx.InvalidURL):
            raise _forbidden("is not a plain https address") from None
        if parts.scheme != "https" and not (parts.scheme == "http" and self.allow_http):
            raise _forbidden("does not begin with https://")
        if not self.allow_http and is_ip_address(parts.hostname or ""):
            raise _forbidden("names a bare IP address")
        # httpx must read the same host and port out of it as we do.
        if (
            (parts.hostname or "", port) not in self.hosts
            or url.host != parts.hostname
            or (url.port or default_port) != port
        ):
            raise _forbidden("points to a host that is not allowed")
        return url


def _forbidden(why: str) -> LinkForbiddenError:
    return LinkForbiddenError(
        f"the download link {why}",
        fix="If FrontCore serves files from there, add host and port to FRONTCORE_DOWNLOAD_HOSTS",
    )


def link_dies_at(sent_at: float, ttl_seconds: int) -> float:
    """Return until when a link may wait for its turn (monotonic): after that a new listing is asked for.

    Args:
        sent_at: when the listing that gave it was asked for (monotonic); no link is taken for younger than it is.
        ttl_seconds: the setting `FRONTCORE_LINK_TTL_SECONDS`, which FrontCore was asked for too.
    """
    return sent_at + ttl_seconds
