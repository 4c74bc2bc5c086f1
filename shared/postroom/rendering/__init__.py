"""Filling in templates: what somebody has stored, with what somebody else sends, inside bounds that always hold.

`budget` counts, `grammar` says what a template may consist of, `sandbox` runs it with the `words` it may use, `letter`
makes the parts of a letter, `styles` puts their CSS in place. No template is trusted: whatever it says, filling it in
ends soon, and needs neither signals nor a process of its own for that.
"""
