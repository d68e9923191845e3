"""What a training's configuration says."""

from __future__ import annotations

from msgspec import Struct

from dualwatch.core.plain import PlainDict, PlainValue, as_dict
from dualwatch.events.base import Event
from dualwatch.events.defects import Defect


class NotFollowed(Struct, frozen=True, kw_only=True):
    """A part of a configuration that is not known, because it was read as text.

    Attributes:
        what: Dotted key; "_base_" for files that it builds on.
        why: One clause.
        about: What it concerns, of "loaders", "data", "model", "start", "goal", "backends"; empty
            where it may concern anything.
    """

    what: str
    why: str
    about: tuple[str, ...] = ()


class ConfigRead(Event, frozen=True, kw_only=True, tag="config-read"):
    """A configuration, loaded as the training loads it or read without executing it.

    Attributes:
        path: The file.
        how: "loaded" or "read".
        loaders: Name of each loader -> its settings (batch_size, ...), its dataset left out; those
            of the training first, with names that begin with "train".
        start_method: Of worker processes, None for the platform's own.
        platform: ``sys.platform`` of the training.
        paired: Whether it names two modalities; None where that cannot be told.
        missing: Dotted key -> path that is not there.
        unpaired: Images without a partner in the other modality, bounded; ``looked_at`` of them
            all were compared.
        model_words: Keys and types of its model, by which its domain is known.
        classes: How many its model tells apart; None where unknown, or where its parts differ.
        epochs, iterations: How long it is to train; None where unknown or counted the other way.
        validates_every: Epochs from one validation to the next; None where unknown.
        due_at_end: What must come after its last iteration: "checkpoint", "validation".
        validates: Whether it validates while it trains; None where that is not known.
        preprocessor: Type of the model's data preprocessor, "" where none is named.
        backends: Types of the visualizer's backends; None where that cannot be told.
        load_from: Checkpoint that it starts from, "" for none.
        pretrained: Dotted key -> file on a local disk from which a part of its model is filled.
        resumes: Whether it goes on with the state of that checkpoint, or of the newest one.
        error: Why it does not load; "" where it does.
        error_remedy: What to do about that, "" where nothing is known.
        framework: Name of the adapter that read it; "" in older journals.
        timed_out: It does not load because loading did not finish.
        not_followed: What of it is not known; bounded.
        folders, files: Data folders and annotation files that exist.
        passed_over: Dotted key -> why that path was not looked for; bounded.
        defects: What is wrong with it, although it loads.
        whole: Whether its sections are known well enough to say that they make a training.
        built: Parts of the training that were built from it, as a trial.
        not_built: Part -> why it could not be tried.
        compared: What was compared for its number of classes.
    """

    path: str
    how: str
    loaders: dict[str, PlainValue]
    start_method: str | None = None
    platform: str = ""
    paired: bool | None = None
    missing: dict[str, str] = {}
    unpaired: tuple[str, ...] = ()
    looked_at: int = 0
    model_words: tuple[str, ...] = ()
    epochs: int | None = None
    iterations: int | None = None
    due_at_end: tuple[str, ...] = ()
    validates_every: int | None = None
    validates: bool | None = None
    preprocessor: str = ""
    backends: tuple[str, ...] | None = None
    load_from: str = ""
    pretrained: dict[str, str] = {}
    resumes: bool = False
    error: str = ""
    error_remedy: str = ""
    framework: str = ""
    timed_out: bool = False
    not_followed: tuple[NotFollowed, ...] = ()
    classes: int | None = None
    folders: int = 0
    files: int = 0
    passed_over: dict[str, str] = {}
    defects: tuple[Defect, ...] = ()
    whole: bool = False
    built: tuple[str, ...] = ()
    not_built: dict[str, str] = {}
    compared: tuple[str, ...] = ()

    @property
    def training_loader(self) -> PlainDict | None:
        """Settings of the training's loader; None where they are not known."""
        found = (one for name, one in self.loaders.items() if name.startswith("train"))
        loader = next(found, None)
        return as_dict(loader) if loader is not None else None

    def unknown(self, about: str) -> str | None:
        """Why what it does not name about something is not known; None where it is."""
        found = next((n for n in self.not_followed if not n.about or about in n.about), None)
        return f"{found.what} was not followed: {found.why}" if found is not None else None
