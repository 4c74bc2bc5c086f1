"""SPF: who may send mail for a domain, as the domain itself publishes it (RFC 7208)."""
