"""How accurate estimated labels are, by kind.

Goal: judge labels against a label file that is known to be true.
Conventions: seconds; times of one kind in order, as `Labels.of_kind` gives them.
Definitions: an estimated label is right if a true label of its kind starts within `NEAR_S` of it. Each label
is in at most one pair, and there are as many pairs as possible (as for boundaries in
mir_eval.segment.detection). Recall is right / true, precision is right / found; they are NaN if the divisor
is 0. Edges are judged on the pairs, by the median distance of their starts and of their ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...core.labels import LABEL_KINDS, Labels
from ...core.timeline import Floats, Ints

NEAR_S = 0.25
_ROUNDING_S = 1e-9


def label_accuracy(pairs: Sequence[tuple[Labels, Labels]], near_s: float = NEAR_S) -> pd.DataFrame:
    """Accuracy from the (found, true) labels of some recordings; one row per kind that occurs.

    Columns: true, found, right, recall, precision, start_off_s, end_off_s.
    """
    rows = {}
    for kind in LABEL_KINDS:
        spans = [(found.of_kind(kind), true.of_kind(kind)) for found, true in pairs]
        matched = [match_starts(found[:, 0], true[:, 0], near_s) for found, true in spans]
        off = [
            np.abs(found[match[:, 0]] - true[match[:, 1]])
            for (found, true), match in zip(spans, matched, strict=True)
        ]
        n_found, n_true = (sum(len(one[k]) for one in spans) for k in (0, 1))
        right = sum(len(match) for match in matched)
        if not n_found + n_true:
            continue
        edges = np.median(np.concatenate(off), axis=0) if right else np.full(2, np.nan)
        rows[kind] = {
            "true": n_true,
            "found": n_found,
            "right": right,
            "recall": right / n_true if n_true else np.nan,
            "precision": right / n_found if n_found else np.nan,
            "start_off_s": edges[0],
            "end_off_s": edges[1],
        }
    columns = ["true", "found", "right", "recall", "precision", "start_off_s", "end_off_s"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.astype(dict.fromkeys(columns[:3], int)).rename_axis("kind")


def match_starts(found_s: Floats, true_s: Floats, near_s: float = NEAR_S) -> Ints:
    """Indices (found, true) of positions that are near each other, as many as possible; shape=(n, 2).

    Both arrays must be ascending. The earliest positions that fit are paired: no other choice gives more
    pairs.
    """
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(found_s) and j < len(true_s):
        if abs(found_s[i] - true_s[j]) <= near_s + _ROUNDING_S:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif found_s[i] < true_s[j]:
            i += 1
        else:
            j += 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
