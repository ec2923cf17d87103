"""Addresses and file names: which parts are secret, which redirects are allowed, which names are valid."""

import re
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, unquote_plus

import httpx

_PUBLIC_SUFFIX = re.compile(r"(ac|co|gov|ltd|me|net|nhs|org|plc|police|sch)\.uk")
# These domains are shared by unrelated owners: only the same host is the same publisher.
_SHARED_HOSTING = re.compile(r"(amazonaws|azurewebsites|cloudfront|github|googleapis|windows)\.(com|io|net)")
# A query parameter with one of these words in its name has a secret value (Nomis calls its key uid).
_SECRET = re.compile(
    r"(access|api|auth|client|subscription)?(key|token|secret)|auth(orization)?|credentials?|passw(or)?d|pwd"
    r"|sig(nature)?|uid"
)
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)


def redact_address(url: str) -> str:
    """Return an address without possible secrets: user and password, keys in the query, and the fragment."""
    bare = re.sub(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", r"\1", url.partition("#")[0], flags=re.I)
    address, mark, query = bare.partition("?")
    remaining = "&".join(part for part in query.split("&") if not _is_secret(part))
    return f"{address}{mark if remaining else ''}{remaining}"


def _is_secret(part: str) -> bool:
    names = [unquote_plus(pair.partition("=")[0]).lower() for pair in part.split(";")]
    return any(_SECRET.fullmatch(word) for name in names for word in re.split(r"[^a-z0-9]+", name))


def publisher_file_name(url: str, headers: httpx.Headers) -> str:
    """Return the publisher's name for the file, valid on any system; empty where there is none."""
    message = Message()
    message["content-disposition"] = headers.get("content-disposition", "")
    path = url.partition("?")[0].partition("://")[2]
    return safe_file_name(message.get_filename() or "") or safe_file_name(unquote(path.partition("/")[2]))


def safe_file_name(name: str) -> str:
    """Return the last part of a name without characters that file systems reject; the suffix is retained."""
    last = re.split(r"[/\\]", name)[-1]
    sound = "".join(sign if sign.isprintable() and sign not in '<>:"|?*' else "_" for sign in last)
    short = sound[-120:].strip(" .")
    return f"_{short}" if _DEVICE.fullmatch(short) else short


def parse_http_date(text: str) -> datetime | None:
    """Parse an HTTP date; return None where it is invalid."""
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def find_redirect_fault(start: httpx.URL, here: httpx.URL, there: httpx.URL, hosts: tuple[str, ...] = ()) -> str:
    """Explain why an address is not followed: another publisher, or no encryption; empty where it is allowed.

    `hosts` are further hosts on which the publisher is declared to store files.
    """
    if there.scheme not in ("https", here.scheme):
        return "it is not encrypted; ask the publisher for an https address"
    if there.host not in hosts and _host_family(there.host) != _host_family(start.host):
        return "it may be a login page; if it is the publisher's, declare it as the url, or its host under hosts"
    return ""


def _host_family(host: str) -> str:
    labels = host.lower().rstrip(".").split(".")
    last = ".".join(labels[-2:])
    if _SHARED_HOSTING.fullmatch(last) or labels[-1].isdigit() or ":" in host:
        return host.lower()
    return ".".join(labels[-3:]) if _PUBLIC_SUFFIX.fullmatch(last) else last
