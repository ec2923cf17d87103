"""Notices by webhook and by mail. No address of a webhook and no password is part of a fault."""

import json
import os
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from pipelines.core.visible import escape_invisible
from pipelines.fetch.channels import (
    MAIL_FROM,
    MAIL_PASSWORD,
    MAIL_SERVER,
    MAIL_TO,
    MAIL_USER,
    WEBHOOK,
    WEBHOOK_FORM,
)
from pipelines.fetch.http import user_agent

SECONDS = 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PORTS = {"smtp": 25, "smtps": 465}


class Message(NamedTuple):
    """A message: its subject, its lines, and the same contents as JSON."""

    subject: str
    lines: Sequence[str]
    document: Mapping[str, Any]


def send_message(channel: str, message: Message) -> str:
    """Send a message by a configured channel. Return the fault, or an empty text."""
    try:
        return _post_webhook(message) if channel == "webhook" else _send_mail(message)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return f"webhook: not delivered to {_webhook_host()} ({type(error).__name__}); check {WEBHOOK}"
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return f"mail: not delivered by {_mail_host()} ({type(error).__name__}); check {MAIL_SERVER} and its user"


def _post_webhook(message: Message) -> str:
    form = os.environ.get(WEBHOOK_FORM, "json").strip() or "json"
    if form not in ("json", "slack"):
        return f"webhook: found {WEBHOOK_FORM}={form}, expected json or slack"
    body = {"text": _slack_text(message)} if form == "slack" else dict(message.document)
    headers = {"User-Agent": user_agent(), "Content-Type": "application/json"}
    content = json.dumps(body, ensure_ascii=False).encode()
    answer = httpx.post(os.environ[WEBHOOK].strip(), content=content, headers=headers, timeout=SECONDS)
    if answer.is_success:
        return ""
    return f"webhook: {_webhook_host()} answered HTTP {answer.status_code}; check {WEBHOOK}"


def _slack_text(message: Message) -> str:
    """Return a message as Slack reads it: three characters are marks there."""
    text = "\n".join([f"*{message.subject}*", *(f"• {line}" for line in message.lines)])
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _send_mail(message: Message) -> str:
    address = urlsplit(os.environ.get(MAIL_SERVER, "").strip())
    sender, user = os.environ.get(MAIL_FROM, "").strip(), os.environ.get(MAIL_USER, "")
    if address.scheme not in _PORTS or not address.hostname:
        return f"mail: expected {MAIL_SERVER} as smtp://host:port or smtps://host"
    if not sender:
        return f"mail: {MAIL_FROM} is not set"
    port, context = address.port or _PORTS[address.scheme], ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(address.hostname, port, timeout=SECONDS, context=context)
        if address.scheme == "smtps"
        else smtplib.SMTP(address.hostname, port, timeout=SECONDS)
    ) as server:
        encrypted = address.scheme == "smtps" or _start_tls(server, context)
        if user and not encrypted and address.hostname not in LOOPBACK:
            return (
                f"mail: {address.hostname} offers no encryption, so no password is sent; use smtps:// or another server"
            )
        if user:
            server.login(user, os.environ.get(MAIL_PASSWORD, ""))
        server.send_message(_write_mail(message, sender))
    return ""


def _start_tls(server: smtplib.SMTP, context: ssl.SSLContext) -> bool:
    server.ehlo_or_helo_if_needed()
    if not server.has_extn("starttls"):
        return False
    server.starttls(context=context)
    return True


def _write_mail(message: Message, sender: str) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = escape_invisible(message.subject)
    mail["From"], mail["To"] = sender, os.environ[MAIL_TO].strip()
    mail.set_content("\n\n".join(escape_invisible(line) for line in message.lines) + "\n")
    return mail


def _webhook_host() -> str:
    return _host_of(os.environ.get(WEBHOOK, ""))


def _mail_host() -> str:
    return _host_of(os.environ.get(MAIL_SERVER, ""))


def _host_of(address: str) -> str:
    try:
        return urlsplit(address.strip()).hostname or "an address without a host"
    except ValueError:
        return "an invalid address"
