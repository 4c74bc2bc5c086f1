"""What comes back of a letter after a server took it: that it bounced, or that somebody complained."""
