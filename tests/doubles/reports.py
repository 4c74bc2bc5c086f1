"""Reports as destinations write them."""

from __future__ import annotations


def bounce(to: str, *recipients: str, headers: str = "", status: str = "5.1.1", action: str = "failed") -> bytes:
    """A delivery status notification that came to an address (RFC 3464); `headers` are those of the returned letter."""
    groups = "".join(
        f"Final-Recipient: rfc822; {each}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Remote-MTA: dns; mx.home.example\r\nDiagnostic-Code: smtp; 550 {status} no such user\r\n\r\n"
        for each in recipients
    )
    return (
        f"To: {to}\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
        f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.home.example\r\n\r\n{groups}"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{headers}\r\n--b--\r\n"
    ).encode()


def complaint(sender: str, *recipients: str, kind: str = "abuse") -> bytes:
    """Feedback about a letter with that return path (RFC 5965)."""
    named = "".join(f"Original-Rcpt-To: <{each}>\r\n" for each in recipients)
    return (
        "To: fbl@shop.example\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n"
        f"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nUser-Agent: x/1\r\nVersion: 1\r\n"
        f"Original-Mail-From: <{sender}>\r\n{named}\r\n--b--\r\n"
    ).encode()
