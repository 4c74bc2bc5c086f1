"""Schemathesis asks for whatever our own document allows, and for much that it forbids."""
import schemathesis
from tests.api.office import Office, FULL
office = Office()
schema = schemathesis.openapi.from_wsgi("/openapi.json", office.app)
