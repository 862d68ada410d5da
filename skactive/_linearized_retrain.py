"""What a network would say after more training, without the training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils import check_array
from torch import Tensor

from skactive._memory import check_memory
from skactive._validation import check_choice, check_number
from skactive.embedding._inputs import n_rows, take_rows
from skactive.embedding._tangent_kernel import TangentKernel
from skactive.embedding._view import NetworkView, view_network
from skactive.selection._linearized_network import (
    make_tangent_kernel,
    network_outputs,
    prior_variances,
    refuse_shares,
)
from skactive.selection._linearized_posterior import noisy_factors
from skactive.selection._linearized_targets import read_targets

__all__ = ["linearized_retrain"]


def linearized_retrain(
    network: Any,
    X_labeled: Any,
    y_labeled: Any,
    X_new: Any,
    y_new: Any,
    X: Any,
    *,
    ntk: str = "pntk",
    noise_ratio: float = 1e-3,
) -> NDArray[np.float64]:
    r"""Outputs of a network as if its training went on with new labels.

    A network that is linear in its weights around those it has, trained further by gradient
    descent on the squared loss until that no longer falls, gives at :math:`x`

    .. math::

        f^+(x) = f(x) + \Theta_{xT} (\Theta_{TT} + \rho^2 I)^{-1} (Y_T - f(T))

    with :math:`f` its present outputs, :math:`T` the labeled and the new rows, :math:`Y_T` their
    targets and :math:`\Theta` its tangent kernel [1]_. The wider the network, the closer to
    the truth [2]_. The formula is also the change that :class:`~skactive.MLMOCSelector` looks
    for, there for one new row at a time.

    Time is that of the kernel, and O(n³) for n training rows; memory is O(n² + n · m) for m rows
    of `X`, each with ``ntk="full"`` times the squared number of outputs.

    Parameters
    ----------
    network : skorch net, torch.nn.Module, Pipeline ending in one, or FrozenEstimator
        The trained network; it is left as it was.
    X_labeled : array-like, tensor, dict of them, Dataset or None
        Raw inputs of labeled rows, as the network reads them; None for none.
    y_labeled : array-like of shape (n_labeled,) or (n_labeled, n_outputs), or None
        Their labels. One column of classes becomes one-hot targets (of a single logit: -1 and 1;
        of a single probability: 0 and 1); for a regressor, and for a module with a single
        output where some labels are neither 0 nor 1, they are the targets. Several columns, or
        a column of shape (n_labeled, 1) for a single output, are taken as targets as they are.
    X_new : like `X_labeled`
        Raw inputs of rows with new labels.
    y_new : like `y_labeled`
        Their labels.
    X : like `X_labeled`
        Raw inputs of the rows to predict.
    ntk : {"pntk", "diagonal", "full"}, default="pntk"
        The kernel between all outputs ("full"), between each output and itself ("diagonal"),
        or one for all of them, that of the summed outputs ("pntk").
    noise_ratio : float > 0, default=1e-3
        The ridge :math:`\rho^2` relative to the mean of :math:`\Theta_{xx}` over `X` and the
        outputs. A larger one stands for training that ends sooner.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_outputs)
        Predicted raw outputs at `X`, before any softmax.

    Raises
    ------
    NotFittedError
        If the network is a skorch net without weights.
    ValueError
        If labels are no classes of the network, or not as many as rows, or the outputs are
        probabilities, which sum to 1, and so have no kernel "pntk".
    MemoryError
        If the kernel between the training rows does not fit.

    References
    ----------
    .. [1] M. A. Mohamadi, W. Bae, D. J. Sutherland: Making Look-Ahead Active Learning
       Strategies Feasible with Neural Tangent Kernels. NeurIPS 2022.

    .. [2] J. Lee, L. Xiao, S. S. Schoenholz, Y. Bahri, R. Novak, J. Sohl-Dickstein,
       J. Pennington: Wide Neural Networks of Any Depth Evolve as Linear Models Under Gradient
       Descent. NeurIPS 2019.

    Examples
    --------
    >>> import torch
    >>> from skactive import linearized_retrain
    >>> network = torch.nn.Linear(2, 3)  # linear already
    >>> X = torch.eye(2)
    >>> outputs = linearized_retrain(network, None, None, X, [0, 2], X, noise_ratio=1e-6)
    >>> outputs.round(3) + 0.0
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    check_choice(ntk, "ntk", ("pntk", "diagonal", "full"))
    check_number(noise_ratio, "noise_ratio", hint="Try 1e-3.")
    view = view_network(network, owner="linearized_retrain")
    with view.untouched():
        inputs, labels = _training_rows(
            view, {"labeled": (X_labeled, y_labeled), "new": (X_new, y_new)}
        )
        X = view.prepare(X)
        kernel = make_tangent_kernel(view, ntk, X)
        known = torch.cat([network_outputs(view, part) for part in inputs])
        refuse_shares(view, ntk, known)
        noise_variance = prior_variances(kernel, ntk, X, float(noise_ratio))[1]
        residuals = _stacked(_targets(view, known, labels) - known, ntk)
        factors = noisy_factors(_training_kernel(kernel, inputs, known), noise_variance)
        weights = torch.cholesky_solve(residuals, factors)
        outputs = network_outputs(view, X)
        for part in _chunks(n_rows(X), weights.numel() * outputs.shape[1]):
            rows = take_rows(X, np.arange(part.start, part.stop))
            cross = torch.cat([kernel.gram(rows, other) for other in inputs], -1)
            outputs[part] += _unstacked(cross @ weights, ntk, outputs.shape[1])
    result: NDArray[np.float64] = outputs.cpu().numpy()
    return result


def _training_rows(
    view: NetworkView, parts: dict[str, tuple[Any, Any]]
) -> tuple[list[Any], list[Any]]:
    """Prepared inputs and labels of those parts that have any rows."""
    inputs, labels = [], []
    for name, (X, y) in parts.items():
        if X is None or n_rows(X) == 0:
            continue
        found = y if y is None or np.ndim(y) == 0 else len(y)
        if found != n_rows(X) or found is y:
            raise ValueError(
                f"y_{name} must hold one label for each of the {n_rows(X)} rows of X_{name}; got "
                f"{found}. Leave rows without a label out."
            )
        inputs.append(view.prepare(X))
        labels.append(y)
    if not inputs:
        raise ValueError(
            "X_labeled and X_new are both empty, so nothing would change. Pass rows to train on."
        )
    return inputs, labels


def _targets(view: NetworkView, outputs: Tensor, labels: list[Any]) -> Tensor:
    """Labels of all training rows as target outputs."""
    arrays = [np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y) for y in labels]
    if len({values.shape[1:] for values in arrays}) > 1:
        raise ValueError(
            "y_labeled and y_new must have the same number of columns; got shapes "
            f"{arrays[0].shape} and {arrays[1].shape}. Encode both in the same way."
        )
    if arrays[0].shape[1:] != outputs.shape[1:]:
        values = np.concatenate(arrays)
        return read_targets(view, outputs, values, np.arange(len(values)))[1]
    values = np.concatenate(
        [check_array(y, dtype=np.float64, input_name="y_labeled or y_new") for y in arrays]
    )
    return torch.tensor(values, device=outputs.device)


def _training_kernel(kernel: TangentKernel, inputs: list[Any], outputs: Tensor) -> Tensor:
    """The kernel between all training rows."""
    numbers = outputs.numel() if kernel.kind == "full" else len(outputs)
    blocks = outputs.shape[1] if kernel.kind == "diagonal" else 1
    check_memory(
        3 * 8 * blocks * numbers**2,
        outputs.device,
        f"The tangent kernel between {len(outputs)} training rows with {outputs.shape[1]} outputs",
        "Pass fewer rows, or choose ntk='pntk'.",
    )
    rows = [[kernel.gram(A, None if A is B else B) for B in inputs] for A in inputs]
    return torch.cat([torch.cat(row, -1) for row in rows], -2)


def _stacked(values: Tensor, ntk: str) -> Tensor:
    """Values of shape (n_rows, n_outputs) as the kernel's matrices multiply them."""
    if ntk == "full":
        return values.reshape(-1, 1)
    return values if ntk == "pntk" else values.T[:, :, None]


def _unstacked(values: Tensor, ntk: str, n_outputs: int) -> Tensor:
    return values[:, :, 0].T if ntk == "diagonal" else values.reshape(-1, n_outputs)


def _chunks(n_samples: int, numbers_per_row: int) -> Iterator[slice]:
    """Rows whose kernel with the training rows fits into ``working_memory``."""
    size = max(1, int(get_config()["working_memory"] * 2**20 // (2 * 8 * numbers_per_row)))
    return (slice(start, min(start + size, n_samples)) for start in range(0, n_samples, size))
