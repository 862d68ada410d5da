"""The empirical neural tangent kernel as a function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive.embedding._tangent_kernel import TangentKernel
from skactive.embedding._view import view_network

__all__ = ["empirical_ntk"]


def empirical_ntk(
    network: Any,
    X: Any,
    Y: Any = None,
    *,
    kind: str = "pntk",
    parameters: Sequence[str] | None = None,
) -> NDArray[np.float64]:
    r"""Empirical neural tangent kernel of a network, in evaluation mode.

    With :math:`f_c(x)` output `c` of :math:`C` outputs and :math:`\theta` the parameters,

    .. math:: \Theta_{cc'}(x, x') = \langle \nabla_\theta f_c(x), \nabla_\theta f_{c'}(x') \rangle

    says how far output `c` moves at `x` when a small step is made towards a change of output `c'`
    at `x'` (Jacot et al., 2018). ``kind="pntk"`` is the kernel of the summed outputs,
    :math:`\frac{1}{C} \sum_{cc'} \Theta_{cc'}(x, x')`, :math:`C^2` times smaller and
    close to every :math:`\Theta_{cc}` of a wide network at initialisation, whose other entries
    vanish (Mohamadi et al., 2023).

    Parameters
    ----------
    network : NeuralNet, torch.nn.Module, FrozenEstimator or Pipeline around one
        A skorch net has to be fitted. It is left as it was.
    X : array-like, tensor, dict of them, or Dataset, of n_samples_X rows
        Inputs as the network takes them.
    Y : the same, of n_samples_Y rows, or None, default=None
        None stands for `X`, at half the work.
    kind : {"pntk", "diagonal", "full"}, default="pntk"
        The kernel of the summed outputs, of each output with itself, or of all pairs of outputs.
    parameters : list of str or None, default=None
        Names of parameters, or of modules with all parameters inside, frozen or not; None: those
        that require gradients.

    Returns
    -------
    kernel : float64 ndarray
        Of shape (n_samples_X, n_samples_Y) for "pntk"; (n_outputs, n_samples_X, n_samples_Y) for
        "diagonal"; (n_samples_X * n_outputs, n_samples_Y * n_outputs) for "full", where sample `i`
        and output `c` are at position ``i * n_outputs + c``.

    Raises
    ------
    ValueError
        If no parameter is left or a name is unknown; if rows of a batch influence each other, as
        they do under batch statistics; if outputs or gradients are not finite.
    MemoryError
        If the kernel does not fit into memory.

    Notes
    -----
    Gradients are those of autograd: at a kink, as of ReLU at 0, its choice of a derivative. A
    float32 network has float32 gradients; their inner products are summed over layers in float64.
    Memory beyond the result follows scikit-learn's ``working_memory``.

    References
    ----------
    A. Jacot, F. Gabriel, C. Hongler (2018), Neural tangent kernel: convergence and generalization
    in neural networks, NeurIPS.

    M. A. Mohamadi, W. Bae, D. J. Sutherland (2023), A fast, well-founded approximation to the
    empirical neural tangent kernel, ICML.

    Examples
    --------
    For a linear model the gradients are the inputs, and 1 for the intercept.

    >>> import torch
    >>> from skactive.embedding import empirical_ntk
    >>> X = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> empirical_ntk(torch.nn.Linear(2, 3), X).round(5)
    array([[2., 1.],
           [1., 5.]])
    """
    view = view_network(network, owner="empirical_ntk")
    prepared = view.prepare(X)
    kernel = TangentKernel(view, kind, prepared, parameters=parameters)
    return kernel.gram(prepared, None if Y is None else view.prepare(Y)).cpu().numpy()
