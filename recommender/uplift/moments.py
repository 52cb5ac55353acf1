"""Numbers of units → counts, means and products by cell, and cells put together. Pure.

Everything later works on these few figures; units are looked at twice and no more.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Figures of cells; the leading axes say which cell.

    Attributes:
        n: Units, shape (…).
        nonzero: Units whose first number is not 0, shape (…).
        mean: Means of the k numbers, shape (…, k); 0 in an empty cell.
        products: Σ (a − ā)(b − b̄) of every two numbers, shape (…, k, k).
    """

    n: Floats
    nonzero: Floats
    mean: Floats
    products: Floats

    def pick(self, *places: Any) -> "Moments":
        """Return some cells, by places along the leading axes."""
        return Moments(
            self.n[places], self.nonzero[places], self.mean[places], self.products[places]
        )

    def pooled(self, axis: int) -> "Moments":
        """Put all cells along a leading axis together.

        Source: Chan, Golub & LeVeque 1979: products add up, and so do n (mean − joint mean)².
        """
        n = self.n.sum(axis)
        weighted = (self.n[..., None] * self.mean).sum(axis)
        mean = weighted / np.maximum(n, 1)[..., None]
        apart = self.mean - np.expand_dims(mean, axis)
        between = self.n[..., None, None] * apart[..., :, None] * apart[..., None, :]
        return Moments(n, self.nonzero.sum(axis), mean, (self.products + between).sum(axis))


def cell_moments(cell: Codes, shape: tuple[int, ...], numbers: Floats) -> Moments:
    """Compute the moments of every cell.

    Args:
        cell: Flat number of each unit's cell.
        shape: The cells' axes.
        numbers: Shape (k, units).
    """
    n_cells = int(np.prod(shape))
    k = len(numbers)
    n = np.bincount(cell, minlength=n_cells).astype(np.float64)
    divisor = np.maximum(n, 1)
    # The mean of what is left removes what rounding lost in the first pass.
    mean = np.stack([_sums(cell, values, n_cells) / divisor for values in numbers], axis=-1)
    centred = [values - mean[cell, place] for place, values in enumerate(numbers)]
    rest = np.stack([_sums(cell, values, n_cells) for values in centred], axis=-1)
    products = np.empty((n_cells, k, k))
    for one in range(k):
        for other in range(one + 1):
            found = _sums(cell, centred[one] * centred[other], n_cells)
            found -= rest[:, one] * rest[:, other] / divisor
            products[:, one, other] = products[:, other, one] = found
    nonzero = _sums(cell, (numbers[0] != 0).astype(np.float64), n_cells)
    return Moments(
        n.reshape(shape),
        nonzero.reshape(shape),
        (mean + rest / divisor[:, None]).reshape(*shape, k),
        products.reshape(*shape, k, k),
    )


def _sums(cell: Codes, values: Floats, n_cells: int) -> Floats:
    return np.asarray(np.bincount(cell, values, n_cells), np.float64)
