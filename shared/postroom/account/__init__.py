"""What an account owns: API keys and sending domains. Pure, but for `cryptography` in seal.py."""
