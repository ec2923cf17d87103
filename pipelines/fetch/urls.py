"""Addresses and names of files: what may be written down of them, where they lead, what a system can bear."""

import re
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, unquote_plus

import httpx

_PUBLIC_SUFFIX = re.compile(r"(ac|co|gov|ltd|me|net|nhs|org|plc|police|sch)\.uk")
# Here neighbours are strangers: only the very same host is the publisher.
_SHARED_HOSTING = re.compile(r"(amazonaws|azurewebsites|cloudfront|github|googleapis|windows)\.(com|io|net)")
# What a word of a query's name is where its value opens something (Nomis calls its key uid).
_SECRET = re.compile(
    r"(access|api|auth|client|subscription)?(key|token|secret)|auth(orization)?|credentials?|passw(or)?d|pwd"
    r"|sig(nature)?|uid"
)
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)


def public(url: str) -> str:
    """Give an address without what may be secret: user and password, keys in the query, the fragment."""
    bare = re.sub(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", r"\1", url.partition("#")[0], flags=re.I)
    address, mark, query = bare.partition("?")
    kept = "&".join(part for part in query.split("&") if not _secret(part))
    return f"{address}{mark if kept else ''}{kept}"


def _secret(part: str) -> bool:
    names = [unquote_plus(pair.partition("=")[0]).lower() for pair in part.split(";")]
    return any(_SECRET.fullmatch(word) for name in names for word in re.split(r"[^a-z0-9]+", name))


def file_name(url: str, headers: httpx.Headers) -> str:
    """Give the name the publisher has for the file, safe on any system; empty where there is none."""
    message = Message()
    message["content-disposition"] = headers.get("content-disposition", "")
    path = url.partition("?")[0].partition("://")[2]
    return safe_name(message.get_filename() or "") or safe_name(unquote(path.partition("/")[2]))


def safe_name(name: str) -> str:
    """Give the last part of a name without what some file system refuses; the end, with the suffix, is kept."""
    last = re.split(r"[/\\]", name)[-1]
    sound = "".join(sign if sign.isprintable() and sign not in '<>:"|?*' else "_" for sign in last)
    short = sound[-120:].strip(" .")
    return f"_{short}" if _DEVICE.fullmatch(short) else short


def moment(text: str) -> datetime | None:
    """Read an HTTP date; null where it is none."""
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def leads_away(start: httpx.URL, here: httpx.URL, there: httpx.URL, hosts: tuple[str, ...] = ()) -> str:
    """Say why an address is not followed: it leaves the publisher, or encryption; empty where it is sound.

    `hosts` are others that the publisher is declared to keep files on.
    """
    if there.scheme not in ("https", here.scheme):
        return "it is not encrypted: ask the publisher for an https address"
    if there.host not in hosts and _family(there.host) != _family(start.host):
        return "it may be a login; if it is the publisher's, declare it as the url, or its host under hosts"
    return ""


def _family(host: str) -> str:
    labels = host.lower().rstrip(".").split(".")
    last = ".".join(labels[-2:])
    if _SHARED_HOSTING.fullmatch(last) or labels[-1].isdigit() or ":" in host:
        return host.lower()
    return ".".join(labels[-3:]) if _PUBLIC_SUFFIX.fullmatch(last) else last
