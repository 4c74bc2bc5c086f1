"""Tasks in: carries the parcels of a task over SMTP.

`deliver` is what functions-framework calls for each task, `handler` what Lambda calls with a batch of them.
"""

from postroom import wiring
from postroom.settings import Settings

deliver, handler = wiring.deliver_function(Settings.from_environment())
