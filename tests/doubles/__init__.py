"""What plays the other side of an SMTP session where no real server would misbehave so well."""
