"""Notices in: tells webhooks what has become of letters.

`notify` is what functions-framework calls for each notice, `handler` what Lambda calls with a batch of them.
"""

from postroom import wiring
from postroom.settings import Settings

notify, handler = wiring.notify_function(Settings.from_environment())
