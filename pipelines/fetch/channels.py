"""Channels of notices: the environment variables that configure them. Each is off until its variable is set."""

import os

WEBHOOK, WEBHOOK_FORM = "COMMONGROUND_WEBHOOK", "COMMONGROUND_WEBHOOK_FORM"
MAIL_TO, MAIL_FROM, MAIL_SERVER = "COMMONGROUND_MAIL_TO", "COMMONGROUND_MAIL_FROM", "COMMONGROUND_SMTP"
MAIL_USER, MAIL_PASSWORD = "COMMONGROUND_SMTP_USER", "COMMONGROUND_SMTP_PASSWORD"


def list_channels() -> list[str]:
    """Return the channels that the environment configures; none until a user sets one."""
    variables = {"webhook": WEBHOOK, "mail": MAIL_TO}
    return [name for name, variable in variables.items() if os.environ.get(variable, "").strip()]
