"""A linear adapter from a picture model's features into a text space, fitted on captioned pictures.

Ridge regression, in its dual form where pictures are fewer than features, then a mild whitening of what is predicted:
captions lie close together in a text space, and directions in which they hardly differ tell pictures apart too.
It is fitted in closed form: a second fit on the same data gives the same adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sightsound import Vectors

RIDGE = 1e4
WHITENING = 0.25
FLOOR = 0.1
"""Added to the whitening's spectrum, as a share of its mean."""


@dataclass(frozen=True)
class Adapter:
    """x (n, features) -> (x - mean) @ matrix, of unit length. mean: (features,), matrix: (features, dims)."""

    mean: Vectors
    matrix: Vectors

    def apply(self, features: Vectors) -> Vectors:
        """float32 (n, features) -> float32 (n, dims), rows of unit length."""
        made = (features - self.mean) @ self.matrix
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write the adapter as NPZ, its matrix as float16."""
        np.savez_compressed(path, mean=self.mean.astype(np.float32), matrix=self.matrix.astype(np.float16))

    @classmethod
    def load(cls, path: Path) -> Adapter:
        with np.load(path, allow_pickle=False) as file:
            return cls(file["mean"].astype(np.float32), file["matrix"].astype(np.float32))


def fit(features: Vectors, targets: Vectors, weights: Vectors, ridge: float = RIDGE) -> Adapter:
    """Fit an adapter.

    features: float (n, features), one row a picture. targets: float (n, dims), the mean vector of its captions.
    weights: float (n,), how much each picture counts; the square root of its number of captions serves well.
    ridge: how strongly the map is held back, for features of unit spread.
    Raises ValueError where the pictures, or the captions, are all alike.
    """
    x, y = features.astype(np.float64), targets.astype(np.float64)
    w = weights.astype(np.float64) / weights.mean()
    mean, spread = x.mean(0), x.std(0) + 1e-3
    z = (x - mean) / spread
    centred = y - np.average(y, axis=0, weights=w)
    if len(z) < z.shape[1]:
        solved = z.T @ np.linalg.solve(z @ z.T + ridge * np.diag(1 / w), centred)
    else:
        weighed = z.T * w
        solved = np.linalg.solve(weighed @ z + ridge * np.eye(z.shape[1]), weighed @ centred)
    if not centred.any() or not solved.any():
        raise ValueError("the pictures, or the captions, are all alike")
    spectrum, directions = np.linalg.eigh(centred.T @ centred / len(y))
    stretch = (spectrum.clip(0) + FLOOR * spectrum.clip(0).mean()) ** -WHITENING
    whitening = (directions * stretch) @ directions.T
    matrix = (solved @ whitening) / spread[:, None]
    return Adapter(mean.astype(np.float32), (matrix / np.abs(matrix).max()).astype(np.float32))
