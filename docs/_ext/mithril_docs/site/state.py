"""What one Sphinx build knows, in one object, and what pages that tell of others ask to be read again for."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from mithril_docs.backends import BACKENDS
from mithril_docs.build.records import Build
from mithril_docs.store import Store

if TYPE_CHECKING:
    from mithril_docs.conformance.verdict import Verdict
    from mithril_docs.errors.catalogue import Catalogue
    from mithril_docs.reference.capabilities import Capability


@dataclasses.dataclass
class State:
    """What a build knows.

    Attributes
    ----------
    store
        Where the results are.
    build
        The pages and the environments.
    models
        The models with a card, by name; filled by the reference.
    catalogue
        The error catalogue; filled by the errors.
    counted
        What is counted against the package, each with the function that counts it once all pages are read.
    verdict
        What conformance found; filled by the reference, None where the site has none.
    topics
        What pages tell of beside their own content, each with a digest of it.
    date
        The day of the last commit; filled by the foot of pages.
    """

    store: Store
    build: Build
    models: dict[str, Capability] = dataclasses.field(default_factory=dict)
    catalogue: Catalogue | None = None
    verdict: Verdict | None = None
    counted: dict[str, Callable[[], dict[str, Any]]] = dataclasses.field(default_factory=dict)
    topics: dict[str, str] = dataclasses.field(default_factory=dict)
    date: str = ""


#: The topic of pages that tell of all that conformance found; of one model, its name stands behind it.
TOPIC_OF_CASES = "conformance"
#: The attribute of Sphinx's application that holds the state.
_PLACE = "mithril_docs"
#: The attribute of Sphinx's environment that holds the topics of the last build.
_TOPICS = "mithril_docs_topics"


def setup(app: Sphinx) -> None:
    app.connect("env-get-outdated", _outdated, priority=900)  # behind all that fill the topics


def put(app: Sphinx, state: State) -> None:
    """Give a build its state."""
    setattr(app, _PLACE, state)


def state_of(app: Sphinx) -> State:
    """What a build knows."""
    return getattr(app, _PLACE)


def build_of(app: Sphinx) -> Build:
    """What a build knows of its pages and environments."""
    return state_of(app).build


def titles(names: list[str]) -> str:
    """Backends as a reader sees them: ``NumPy, JAX``."""
    return ", ".join(BACKENDS[name].title for name in names)


def tells_of(env: BuildEnvironment, *topics: str) -> None:
    """Say that the page being read tells of topics, so that it is read again when one of them changes."""
    told = env.metadata[env.docname].setdefault(_TOPICS, "")
    env.metadata[env.docname][_TOPICS] = " ".join(sorted({*told.split(), *topics}))


def digest(value: object) -> str:
    """A digest of a value with a repr that tells all."""
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    before: dict[str, str] = getattr(env, _TOPICS, {})
    now = state_of(app).topics
    setattr(env, _TOPICS, dict(now))
    stale = {topic for topic in {*before, *now} if before.get(topic) != now.get(topic)}
    return [name for name in env.found_docs if stale & {*env.metadata[name].get(_TOPICS, "").split()}]
