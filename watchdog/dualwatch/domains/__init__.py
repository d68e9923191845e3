"""Domains of trainings: which losses they have, what is usual for them, and their data sets.

A domain of another distribution is an entry point of the group ``dualwatch.domains`` that names a
subclass of ``base.Domain``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dualwatch.core import plugins
from dualwatch.domains.base import Domain

GROUP = "dualwatch.domains"
BUILT_IN = ("dualwatch.domains.paired.domain:PairedImages",)

NEUTRAL = Domain()
"""The domain of a training of which nothing special is known."""


def installed() -> tuple[Domain, ...]:
    """The domains: those that dualwatch ships, then those of other distributions."""
    return plugins.load(GROUP, BUILT_IN, Domain)


def parts() -> str:
    """Pattern of the words by which the domains know the parts of a model."""
    return "|".join(one.parts for one in installed() if one.parts)


def of_words(words: Iterable[str]) -> Domain:
    """The domain that words name: keys and types of a model, and names of metrics."""
    named = tuple(words)
    return next((one for one in installed() if one.mention(named) is not None), NEUTRAL)


def of_metrics(names: Iterable[str]) -> Domain:
    """The domain whose required metrics are among these names of metrics."""
    known = tuple(names)
    return next((one for one in installed() if any(map(one.owns, known))), NEUTRAL)


def shown_first() -> tuple[str, ...]:
    """Metrics that views show before all others."""
    return tuple(name for one in installed() for name in one.shown_first)


def required_metrics(
    given: Sequence[str] | None, source: str, model_words: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """Required metrics and the reason for them.

    Args:
        given: From a flag or a settings file; None where neither names any.
        source: Where ``given`` came from.
        model_words: Every key and type in the model of the configuration.
    """
    if given is not None:
        return tuple(given), f"from {source}"
    for domain in installed():
        mention = domain.mention(model_words)
        if mention is not None:
            return domain.required, f"the model mentions {mention}"
    named = " or ".join(one.mentions.upper() for one in installed() if one.mentions)
    return (), f"the model does not mention {named}"
