"""Media types of package files, decided by us: what a browser would guess differs between machines."""

from __future__ import annotations

_TYPES = {
    "htm": "text/html", "html": "text/html", "xhtml": "application/xhtml+xml", "css": "text/css",
    "js": "text/javascript", "mjs": "text/javascript", "json": "application/json", "map": "application/json",
    "xml": "application/xml", "xsd": "application/xml", "dtd": "application/xml-dtd", "txt": "text/plain",
    "md": "text/plain", "csv": "text/csv", "vtt": "text/vtt", "srt": "text/plain", "svg": "image/svg+xml",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "avif": "image/avif", "bmp": "image/bmp", "ico": "image/x-icon", "mp4": "video/mp4", "m4v": "video/mp4",
    "webm": "video/webm", "ogv": "video/ogg", "mov": "video/quicktime", "mp3": "audio/mpeg", "m4a": "audio/mp4",
    "ogg": "audio/ogg", "oga": "audio/ogg", "wav": "audio/wav", "aac": "audio/aac", "woff": "font/woff",
    "woff2": "font/woff2", "ttf": "font/ttf", "otf": "font/otf", "eot": "application/vnd.ms-fontobject",
    "pdf": "application/pdf", "zip": "application/zip", "wasm": "application/wasm",
    "swf": "application/x-shockwave-flash",
    "doc": "application/msword", "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "webmanifest": "application/manifest+json", "gltf": "model/gltf+json", "glb": "model/gltf-binary",
}  # fmt: skip


def media_type(path: str) -> str:
    """The media type by the file name's ending; bytes of no known kind are just bytes."""
    return _TYPES.get(path.rsplit(".", 1)[-1].lower(), "application/octet-stream")
