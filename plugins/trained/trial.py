"""Whether anything is gained: captions that the map never saw, before and after.

The captions fall into five folds; those of each are tried on what the other four teach, among the pictures of their own
fold alone, since those that were learnt from are no longer found as strangers' are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightsound.plugins.trained.captioned import Captioned
from sightsound.plugins.trained.fitting import STEPS, Ranks, Step, learnt, mrr, ranks
from sightsound.plugins.trained.folds import FOLDS

SURE = 2.0
"""Standard errors that the gain must be above nothing."""


@dataclass(frozen=True)
class Trial:
    """Ranks of the same captions before and after, from 1. among: how many pictures a caption was tried on, mean."""

    before: Ranks
    after: Ranks
    among: float

    @property
    def gained(self) -> bool:
        """Whether captions find their pictures better, beyond what chance would do: by the mean of 1 / rank."""
        gains = 1 / self.after - 1 / self.before
        return bool(gains.mean() > SURE * gains.std(ddof=1) / np.sqrt(len(gains)))


def tried(all_of_them: Captioned, step: Step) -> Trial:
    before, after, among = [], [], []
    for fold in range(FOLDS):
        held_back = all_of_them.fold == fold
        unknown = all_of_them.only(held_back)
        if not len(unknown):
            continue
        turned = learnt(all_of_them.only(~held_back), step)
        before.append(ranks(unknown.pictures, unknown))
        after.append(ranks(turned(unknown.pictures, unknown.seen), unknown))
        among.append(len(unknown))
    return Trial(np.concatenate(before), np.concatenate(after), float(np.mean(among)))


TRIAL_STEPS = FOLDS * STEPS
"""Steps that `tried` takes."""


def measures(found: Ranks) -> dict[str, float]:
    """Of ranks: `recall_at_1`, `recall_at_5`, `recall_at_10` and `mrr`, 0..1, and `median_rank`."""
    recalls = {f"recall_at_{most}": float((found <= most).mean()) for most in (1, 5, 10)}
    return {**recalls, "mrr": mrr(found), "median_rank": float(np.median(found))}
