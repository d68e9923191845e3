"""The wrongly paired data set is wrong in the partners, and in nothing else."""

from __future__ import annotations

from dualmacl.datasets import LLVIPDataset
from dualmacl.faults import ShuffledLLVIPDataset


def test_nobody_keeps_the_partner_and_nobody_is_lost(synthetic):
    right, wrong = (c(data_root=str(synthetic)) for c in (LLVIPDataset, ShuffledLLVIPDataset))
    assert len(right) == len(wrong)
    infos = [(right.get_data_info(i), wrong.get_data_info(i)) for i in range(len(right))]
    assert all(a["img_path"] == b["img_path"] for a, b in infos)
    assert all(a["infrared_path"] != b["infrared_path"] for a, b in infos)
    assert {a["infrared_path"] for a, _ in infos} == {b["infrared_path"] for _, b in infos}
