"""What pages load: scripts, styles and pictures, each under an address that changes with its content."""

from __future__ import annotations

from hashlib import sha256
from importlib import resources
from typing import Final

from attrs import frozen
from starlette.responses import Response

__all__ = ["Asset", "load_assets"]

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@frozen
class Asset:
    """One file. `digest` is of its content."""

    body: bytes
    content_type: str
    digest: str

    def response(self) -> Response:
        """The file, to be kept for ever: with other content it has another address."""
        headers = {"content-type": self.content_type, "cache-control": "public, max-age=31536000, immutable"}
        return Response(self.body, headers=headers)


def load_assets() -> dict[str, Asset]:
    """The files of `eventroute/web/static` by name, but for licences, read once."""
    found = {}
    for file in resources.files("eventroute.web").joinpath("static").iterdir():
        content_type = _TYPES.get(file.name.rpartition(".")[2])
        if content_type is not None:
            body = file.read_bytes()
            found[file.name] = Asset(body, content_type, sha256(body).hexdigest()[:16])
    return found
