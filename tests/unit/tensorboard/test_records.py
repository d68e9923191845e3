"""The format of event files, against what TensorBoard itself reads and writes."""

from __future__ import annotations

import math
import struct

import pytest
from dualwatch.tensorboard import records
from hypothesis import given
from hypothesis import strategies as st

TAGS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("data", "crc"),
    # The test vectors of RFC 3720, masked.
    [(b"\x00" * 32, 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)],
)
def test_the_checksum_is_that_of_the_standard(data: bytes, crc: int) -> None:
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    assert records.checksum(data) == masked


@given(
    st.floats(0, 1e11),
    st.integers(-(2**63), 2**63 - 1),
    st.dictionaries(TAGS, st.floats(width=32), max_size=5),
)
def test_what_is_written_is_read(wall: float, step: int, values: dict[str, float]) -> None:
    event = records.decode(records.scalars(wall, step, values))
    assert (event.wall, event.step) == (wall, step)
    assert dict(event.scalars) == pytest.approx(values, nan_ok=True)


@given(st.binary(max_size=200))
def test_what_is_no_event_is_refused_and_nothing_else_happens(data: bytes) -> None:
    try:
        records.decode(data)
    except ValueError:
        return


def test_a_number_too_large_for_a_single_float_is_infinite() -> None:
    event = records.decode(records.scalars(0.0, 1, {"loss": 1e300, "back": -1e300}))
    assert dict(event.scalars) == {"loss": math.inf, "back": -math.inf}


def test_a_frame_says_its_length_and_a_damaged_one_is_refused() -> None:
    frame = bytearray(records.framed(b"event"))
    assert records.length_of(bytes(frame[: records.HEAD])) == 5
    assert len(frame) == records.FRAME + 5
    frame[3] ^= 1
    with pytest.raises(ValueError, match="no beginning"):
        records.length_of(bytes(frame[: records.HEAD]))


def test_tensorboard_reads_what_is_written(tmp_path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = [
        records.opening(100.0),
        records.scalars(101.5, 7, {"dualwatch/silence_s": 12.5, "b": math.nan}),
        records.text(102.0, 7, "dualwatch/story", "**é** text"),
        records.scalars(103.0, 2**40, {"dualwatch/silence_s": -1.0}),
    ]
    path = tmp_path / f"events.out.tfevents.1.1{records.OWN}"
    path.write_bytes(b"".join(map(records.framed, events)))
    seen = accumulators.EventAccumulator(str(tmp_path))
    seen.Reload()

    silence = seen.Scalars("dualwatch/silence_s")
    assert [(e.wall_time, e.step, e.value) for e in silence] == [(101.5, 7, 12.5), (103, 2**40, -1)]
    assert math.isnan(seen.Scalars("b")[0].value)
    (text,) = seen.Tensors("dualwatch/story")
    assert (text.step, list(text.tensor_proto.string_val)) == (7, ["**é** text".encode()])
    assert seen.SummaryMetadata("dualwatch/story").plugin_data.plugin_name == "text"
    assert seen.file_version == 2.0


def test_it_is_known_whose_file_it_is() -> None:
    assert records.is_own(f"events.out.tfevents.1.2{records.OWN}")
    assert not records.is_own("events.out.tfevents.1764.dualwatch.12.0")  # A machine of that name.
    assert struct.calcsize("<QI") == records.HEAD
