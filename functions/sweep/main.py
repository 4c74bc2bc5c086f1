"""The timer in: puts back what was stranded.

`sweep` is what functions-framework calls, `handler` what Lambda does, with the letters of its dead-letter queue too.
"""

from postroom import wiring
from postroom.settings import Settings

sweep, handler = wiring.sweep_function(Settings.from_environment())
