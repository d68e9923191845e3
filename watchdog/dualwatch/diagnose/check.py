"""Examines a target once and evaluates its checklist item by item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dualwatch.checks import profiles, runner
from dualwatch.checks.document import (
    CheckDocument,
    CheckTarget,
    Entry,
    NamedCause,
    ProfileChoice,
    Unread,
)
from dualwatch.checks.item import (
    STAGES,
    CheckResult,
    CheckSubject,
    Item,
    NotJudged,
    RunLife,
    Status,
)
from dualwatch.checks.profiles import Choice
from dualwatch.collectors import target as targets
from dualwatch.collectors.target import Target
from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError, Exit, did_you_mean
from dualwatch.core.policies import CheckPolicy
from dualwatch.diagnose import examine, preflight
from dualwatch.diagnose.check_record import CheckRecord, record_of
from dualwatch.diagnose.examine import ExamineOptions
from dualwatch.diagnose.parallel import Collector
from dualwatch.events import Finding
from dualwatch.rules.starts import EarlierStart
from dualwatch.tensorboard import status

TENSORBOARD_S = 20.0

OF_CONFIG = ("config-loads", "can-train", "parts-built")
"""Checks of which one must have been made before a configuration counts as looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be checked.

    Attributes:
        select: Ids or stages; empty for all of them.
        ignore: Id -> why it is not evaluated.
        all_pairs: Compare every pair and look for every image, not a sample.
    """

    select: tuple[str, ...] = ()
    ignore: Mapping[str, str] | None = None
    all_pairs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An evaluated checklist.

    Attributes:
        causes: What ``diagnose`` names, likeliest first; without those of items that were not
            wanted.
        read_whole: Whether nothing of its log was left out.
    """

    target: Target
    life: RunLife
    sentence: str
    choice: Choice
    results: tuple[CheckResult, ...]
    not_observed: Mapping[str, str]
    earlier: Sequence[EarlierStart] = ()
    causes: Sequence[Finding] = ()
    read_whole: bool = True

    @property
    def code(self) -> Exit:
        """The exit code of the contract."""
        found = runner.counts(self.results)
        failed = {one.item.probe for one in self.results if one.status is Status.FAIL}
        if failed & {"config-loads", "can-train"}:
            return Exit.USAGE
        if found["fail"] or self.causes:
            return Exit.WRONG
        of_config = [one for one in self.results if one.item.probe in OF_CONFIG]
        if of_config and self.life is RunLife.PLANNED:
            # Room on the disk says nothing of a configuration of which nothing could be read.
            looked = any(one.status in (Status.PASS, Status.WARN) for one in of_config)
            looked = looked and all(one.reason is not NotJudged.UNTRIED for one in of_config)
            return Exit.OK if looked else Exit.NOT_OBSERVED
        judged = found["pass"] + found["warn"] + found["pending"]
        return Exit.OK if judged and self.read_whole else Exit.NOT_OBSERVED

    @property
    def is_decided(self) -> bool:
        """Whether no item is pending, or one has failed."""
        found = runner.counts(self.results)
        return bool(found["fail"]) or not found["pending"]


def resolve(path: Path | None) -> Target:
    """The target of a checklist; a configuration means its next training, unless one is running.

    Raises:
        DualwatchError: It does not exist, or there is nothing to look at.
    """
    target = targets.resolve(path)
    if target.kind == "config" and target.training is None:
        return Target(kind="config", path=target.path, config=target.config)
    return target


def check(
    target: Target,
    policy: CheckPolicy,
    wanted: Wanted,
    *,
    collected: Callable[[str], None] = lambda name: None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Checked:
    """Evaluates the checklist of a target.

    Args:
        collected: Called with the name of each collector that is done.
        progress: Called with what is being read, how many are done, and of how many.

    Raises:
        DualwatchError: The profile is not valid, or an item does not exist.
    """
    more = preflight.collectors(target, policy, all_pairs=wanted.all_pairs, tell=progress)
    more |= _tensorboard(target, policy)
    options = ExamineOptions(silence=None, patience=None, more=more)
    done = examine.examine(target, policy, collected=collected, options=options)
    record = record_of(done, policy)
    choice, results = judged(record, policy, wanted)
    assert done.standing is not None
    planned = "not started yet"
    return Checked(
        target=target,
        life=record.life,
        sentence=planned if record.life is RunLife.PLANNED else done.standing.sentence,
        choice=choice,
        results=tuple(results),
        not_observed=done.not_observed,
        earlier=done.earlier,
        causes=_counted(done.causes, results, wanted),
        read_whole=done.read_whole,
    )


def _counted(
    causes: Sequence[Finding], results: Sequence[CheckResult], wanted: Wanted
) -> list[Finding]:
    """The causes that count, of which an item may only warn: see ``docs/verdict.md``."""
    evaluated = [one for one in results if one.reason is not NotJudged.IGNORED]
    codes = {one.code for one in evaluated}
    ignored = {one.code for one in results if one.reason is NotJudged.IGNORED} - codes
    if wanted.select:
        return [one for one in causes if one.code in codes]
    return [one for one in causes if one.code not in ignored]


def _tensorboard(target: Target, policy: CheckPolicy) -> dict[str, Collector]:
    """The state of TensorBoard, where there is a run that it could show."""
    folder, moment = target.work_dir, clock.now()
    if folder is None:
        return {}
    ask = Collector(
        lambda: status.look(folder, policy.tensorboard_port, at=moment.at, wall=moment.wall),
        TENSORBOARD_S,
    )
    return {"tensorboard": ask}


def judged(
    record: CheckRecord, policy: CheckPolicy, wanted: Wanted
) -> tuple[Choice, list[CheckResult]]:
    """The profile that fits, and the results of its items.

    Raises:
        DualwatchError: The profile is not valid, or an item does not exist.
    """
    choice = _profile(record, policy)
    items = chosen(choice.profile.all_items, wanted.select)
    ignored = _ignored(choice.profile.all_items, policy.profile, wanted.ignore or {})
    return choice, runner.judge(items, _subject(record), ignored)


def _profile(record: CheckRecord, policy: CheckPolicy) -> Choice:
    config = record.s.config
    words = [*(config.model_words if config is not None else ()), *(policy.required or ())]
    words += [*record.required, *record.s.metrics]
    name = Path(record.path).name
    return profiles.choose(policy.profile, policy.profile_from, config=name, words=words)


def _subject(record: CheckRecord) -> CheckSubject:
    known = {found.code for found in record.now}
    raised = [found for found in record.raised if found.code not in known]
    # A stall that the training came out of is history, what it died of is not.
    ended = record.has_ended and not record.finished and record.s.stall_reported
    standing = [f for f in raised if ended or not f.code.startswith("DW1")]
    passed = [f for f in raised if f not in standing]
    return CheckSubject(
        s=record.s,
        course=record.course,
        findings=[*record.now, *standing],
        overcome=[*record.earlier, *passed],
        required=record.required,
        life=record.life,
        finished=record.finished,
        elsewhere=record.elsewhere,
        elsewhere_why=record.elsewhere_why,
        orphans_looked_for=record.orphans_looked_for,
    )


# --- which items -----------------------------------------------------------------------------


def chosen(items: Sequence[Item], select: Sequence[str]) -> list[Item]:
    """The items that are wanted, by id or by stage; all where nothing is named.

    Raises:
        DualwatchError: An item does not exist.
    """
    _refuse_unknown("--select", select, items, STAGES)
    return [i for i in items if not select or i.id in select or i.stage in select]


def _ignored(
    items: Sequence[Item], check: Mapping[str, object], given: Mapping[str, str]
) -> dict[str, str]:
    settled = check.get("ignore", {})
    listed = settled if isinstance(settled, (list, tuple)) else ()
    named = settled if isinstance(settled, Mapping) else dict.fromkeys(listed, "by the settings")
    ignored = {**{str(key): str(value) for key, value in named.items()}, **given}
    _refuse_unknown("--ignore", tuple(ignored), items, ())
    return ignored


def _refuse_unknown(
    option: str, words: Sequence[str], items: Sequence[Item], stages: Sequence[str]
) -> None:
    known = [*(item.id for item in items), *stages]
    unknown = [word for word in words if word not in known]
    if not unknown:
        return
    lines = []
    for word in unknown:
        near = did_you_mean(word, known)
        lines.append(f"{word!r}" + (f": {near}" if near else ""))
    raise DualwatchError(
        f"{option}: not an item of the checklist",
        why="\n".join(lines),
        do="`dualwatch check --list` names them all",
    )


# --- the document ----------------------------------------------------------------------------


def document(checked: Checked) -> CheckDocument:
    """What ``check --json`` prints."""
    target, profile = checked.target, checked.choice.profile
    return CheckDocument(
        target=CheckTarget(
            kind=target.kind,
            path=str(target.path) if target.path is not None else None,
            work_dir=str(target.work_dir) if target.work_dir is not None else None,
            log=str(target.log) if target.log is not None else None,
            life=checked.life.value,
            sentence=checked.sentence,
            earlier=list(checked.earlier),
        ),
        profile=ProfileChoice(
            name=profile.name, title=profile.title, because=checked.choice.because
        ),
        entries=[item(result) for result in checked.results],
        counts=runner.counts(checked.results),
        exit_code=int(checked.code),
        causes=[
            NamedCause(code=one.code, name=one.name, headline=one.headline)
            for one in checked.causes
        ],
        not_observed=[
            Unread(what=what, why=why) for what, why in sorted(checked.not_observed.items())
        ],
    )


def item(result: CheckResult) -> Entry:
    """One item as in the contract."""
    return Entry(
        id=result.item.id,
        stage=result.item.stage,
        title=result.item.title,
        status=result.status.value,
        expected=result.expected,
        observed=result.observed,
        reason=result.reason.value if result.reason is not None else None,
        blocked_by=result.blocked_by or None,
        remedy=result.remedy or None,
        code=result.code or None,
    )
