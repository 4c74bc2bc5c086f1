"""The network: SMTP, DNS and the guard that decides what may be dialled. Async lives here and only here."""
