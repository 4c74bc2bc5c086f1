"""A file that travels along with a letter (RFC 2045 §5.1, RFC 2183, RFC 2392)."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from postroom.message.header import InvalidHeader, check_text

LARGEST_TOGETHER = 40 * 1024 * 1024
"""Octets of all of a letter's files together, as they travel: in base64."""

LONGEST_TYPE = 255
LONGEST_ID = 250
LONGEST_NAME = 255
UNNAMED = "attachment"

WORD = r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+"  # RFC 2045 §5.1
PARAMETER = rf'[ \t]*;[ \t]*{WORD}=(?:{WORD}|"(?:[ !#-\[\]-~]|\\[ -~])*")'
CONTENT_TYPE = re.compile(rf"({WORD})/({WORD})(?:{PARAMETER})*")
WORDS = re.compile(r'(?>(?:"(?>(?:[^"\\]|\\.)*)"|[^" \t])+)')  # what may not be folded inside
CONTENT_ID = re.compile(r"[!#$%&'*+./=?^_`{|}~0-9A-Za-z-]+(?:@[!#$%&'*+./=?^_`{|}~0-9A-Za-z-]+)?")

# Our own table: the standard library's reads files of the host, and would answer differently in each home.
TYPES = {
    "7z": "application/x-7z-compressed",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "css": "text/css",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eml": "message/rfc822",
    "gif": "image/gif",
    "gz": "application/gzip",
    "heic": "image/heic",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "m4a": "audio/mp4",
    "md": "text/markdown",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rtf": "application/rtf",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "zip": "application/zip",
}
UNKNOWN = "application/octet-stream"  # RFC 2046 §4.5.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file's bytes and what to call them. With a content id it is shown where the HTML says `cid:…`."""

    filename: str
    content: bytes = b""
    content_type: str  # empty where nobody but who serves `path` can tell
    content_id: str | None = None
    path: str | None = None  # the URL of a file that is still to be fetched


def in_base64(octets: int) -> int:
    """How many octets so many of a file become (RFC 2045 §6.8), line ends not counted."""
    return -(-octets // 3) * 4


def name_in(url: str) -> str:
    """What to call the file at a URL: the last part of its path, where that makes a name."""
    path = url.partition("://")[2].partition("#")[0].partition("?")[0].partition("/")[2]
    name = unquote(path.rpartition("/")[2], errors="replace").replace("\\", "/").rpartition("/")[2].strip(" ")
    try:
        check_text(name)
    except InvalidHeader:
        return UNNAMED
    return name if 0 < len(name) <= LONGEST_NAME and "\ufffd" not in name else UNNAMED


def guess_content_type(filename: str) -> str:
    """The content type that the filename's ending promises."""
    return TYPES.get(filename.rpartition(".")[2].lower(), UNKNOWN) if "." in filename else UNKNOWN


def check_content_type(value: str) -> None:
    """Refuse what is not `type/subtype` with well-formed parameters, and types that are not one file."""
    if len(value) > LONGEST_TYPE:
        raise InvalidHeader(f"it is longer than {LONGEST_TYPE} characters")
    match = CONTENT_TYPE.fullmatch(value)
    if not match:
        raise InvalidHeader("a content type looks like `application/pdf` or `text/plain; charset=utf-8`")
    family, subtype = match[1].lower(), match[2].lower()
    if family == "multipart":
        raise InvalidHeader("an attachment is one file, so its type can't be multipart")
    if family == "message" and subtype != "rfc822":
        raise InvalidHeader("of the message types only message/rfc822 can be attached")


def check_content_id(value: str) -> None:
    """Refuse an id that `cid:` could not name. It comes without angle brackets (RFC 2392 §2)."""
    if not CONTENT_ID.fullmatch(value) or len(value) > LONGEST_ID:
        raise InvalidHeader(
            f"a content id is at most {LONGEST_ID} letters, digits or marks like logo@example, no spaces"
        )
