"""What is read of configurations as text is what mmengine loads."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.core.unread import is_unread
from dualwatch.frameworks.mmengine.config.inherit import read_file

mmdet = pytest.importorskip("mmdet")
config = pytest.importorskip("mmengine.config")

OWN = sorted((Path(__file__).resolve().parents[3] / "configs").rglob("*.py"))
MMDET = sorted(Path(mmdet.__file__).parent.glob(".mim/configs/**/*.py"))[::40]


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items() if key != "_scope_"}
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def same(ours, theirs) -> bool:
    """Whether all that was read is equal; a mark says nothing."""
    if is_unread(ours):
        return True
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


@pytest.mark.parametrize("path", [*OWN, *MMDET], ids=lambda path: path.stem)
def test_as_mmengine_loads_it(path) -> None:
    found = read_file(path)
    try:
        loaded = plain(config.Config.fromfile(path, import_custom_modules=False).to_dict())
    except (OSError, ModuleNotFoundError):
        assert found.not_followed
        return
    ours = plain(found.values)
    assert found.not_followed or not loaded.keys() - ours.keys()
    wrong = [key for key in loaded.keys() & ours.keys() if not same(ours[key], loaded[key])]
    assert wrong == [] or found.not_followed
