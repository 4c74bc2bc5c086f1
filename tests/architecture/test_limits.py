"""The limits fit into each other: a phase into a function, a function into a lease, a lease into a redelivery."""

from postroom import wiring
from postroom.settings import Settings


def test_a_session_ends_before_its_function_and_its_function_before_its_lease(tmp_path: object) -> None:
    settings = Settings.from_environment({"POSTROOM_DATA": str(tmp_path)})
    deliver = wiring.delivering(settings)
    assert deliver.session_seconds + 30 <= settings.function_timeout.total_seconds()
    assert settings.function_timeout < deliver.lease


def test_every_phase_but_the_last_fits_into_a_function() -> None:
    """The reply to the final dot gets what the deadline leaves; all that comes before it must fit."""
    settings = Settings.from_environment({})
    timeouts = settings.timeouts
    assert timeouts.total(recipients=1) - timeouts.final < settings.function_timeout.total_seconds() - 30
