"""Media types of files, by the endings of their names."""

from __future__ import annotations

from collections.abc import Sequence
from mimetypes import MimeTypes
from typing import Final

from twistedproxy.settings.answers import MimeType

#: What the standard library does not know, or knows otherwise than browsers of today.
_MODERN: Final = {
    "7z": "application/x-7z-compressed",
    "aac": "audio/aac",
    "apk": "application/vnd.android.package-archive",
    "apng": "image/apng",
    "atom": "application/atom+xml",
    "avif": "image/avif",
    "br": "application/x-brotli",
    "bz2": "application/x-bzip2",
    "cjs": "text/javascript",
    "crx": "application/x-chrome-extension",
    "deb": "application/vnd.debian.binary-package",
    "dmg": "application/x-apple-diskimage",
    "epub": "application/epub+zip",
    "flac": "audio/flac",
    "geojson": "application/geo+json",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "gpx": "application/gpx+xml",
    "gz": "application/gzip",
    "heic": "image/heic",
    "heif": "image/heif",
    "htc": "text/x-component",
    "ico": "image/x-icon",
    "ics": "text/calendar",
    "iso": "application/x-iso9660-image",
    "jar": "application/java-archive",
    "js": "text/javascript",
    "json": "application/json",
    "jsonld": "application/ld+json",
    "jxl": "image/jxl",
    "kml": "application/vnd.google-earth.kml+xml",
    "log": "text/plain",
    "m3u8": "application/vnd.apple.mpegurl",
    "m4a": "audio/mp4",
    "m4s": "video/iso.segment",
    "m4v": "video/x-m4v",
    "map": "application/json",
    "markdown": "text/markdown",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "mkv": "video/matroska",
    "mpd": "application/dash+xml",
    "msi": "application/x-msdownload",
    "ndjson": "application/x-ndjson",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/ogg",
    "otf": "font/otf",
    "pem": "application/x-pem-file",
    "rpm": "application/x-rpm",
    "rss": "application/rss+xml",
    "svg": "image/svg+xml",
    "svgz": "image/svg+xml",
    "toml": "application/toml",
    "ts": "video/mp2t",
    "ttc": "font/collection",
    "ttf": "font/ttf",
    "wasm": "application/wasm",
    "weba": "audio/webm",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xhtml": "application/xhtml+xml",
    "xml": "application/xml",
    "xpi": "application/x-xpinstall",
    "xsl": "application/xslt+xml",
    "xz": "application/x-xz",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zst": "application/zstd",
}
#: RFC 2046 §4.5.1: bytes of which nothing is known.
_UNKNOWN: Final = "application/octet-stream"


class MediaTypes:
    """
    What kind of files there are.

    :param own: of the site, before all others
    :param charset: of texts; ``off`` says nothing
    """

    def __init__(self, own: Sequence[MimeType], charset: str) -> None:
        # Of the library only, and not of the machine: files are the same everywhere.
        known = {ending[1:]: kind for ending, kind in MimeTypes().types_map[True].items()}
        known.update(_MODERN)
        for line in own:
            known.update((ending, line.kind) for ending in line.endings)
        self._other = known.pop("*", _UNKNOWN)
        self._known = known
        self._charset = "" if charset == "off" else f"; charset={charset}"

    def of(self, path: bytes) -> bytes:
        """The Content-Type of the file at *path*."""
        name = path.rpartition(b"/")[2].decode("utf-8", "replace").lower()
        kind = self._other
        # The longest ending that is known: tar.gz before gz.
        while "." in name:
            name = name.partition(".")[2]
            if name in self._known:
                kind = self._known[name]
                break
        if kind.startswith("text/"):
            kind += self._charset
        return kind.encode("ascii")
