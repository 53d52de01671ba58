"""The catalogue of rotators: every kind of credential in a vault that Cordon can make worthless stands in this list."""

from shared.rotators.interface import Rotator

ROTATORS: tuple[Rotator, ...] = ()
"""In the order in which they are asked whether a secret is theirs; who serves what nobody else does comes last."""


def rotator_named(name: str) -> Rotator:
    """The rotator with this name; KeyError if the catalogue has none."""
    return {rotator.name: rotator for rotator in ROTATORS}[name]
