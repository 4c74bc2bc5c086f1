"""HTTP in: takes letters and answers questions about them.

`submit` is what functions-framework calls for each request, `handler` what Lambda does.
"""

from postroom import wiring
from postroom.settings import Settings

submit, handler = wiring.submit_function(Settings.from_environment())
