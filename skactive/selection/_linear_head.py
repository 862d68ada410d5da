"""The linear layer that makes the outputs of a classifier from features."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import SVC, NuSVC
from torch import Tensor, nn

from skactive._ties import RELATIVE_TOLERANCE


class LinearHead(NamedTuple):
    """One output for each class, linear in the features; the largest one is predicted."""

    weight: Tensor  # (n_classes, n_features), float64
    bias: Tensor  # (n_classes,)

    def outputs(self, features: Tensor) -> Tensor:
        """Of shape (n_rows, n_classes)."""
        return torch.addmm(self.bias, features, self.weight.T)

    def to(self, device: torch.device) -> LinearHead:
        return LinearHead(self.weight.to(device), self.bias.to(device))


def predicted_classes(outputs: Tensor, tolerance: float | None = None) -> Tensor:
    """Column of the largest output of each row, the lowest one of those that tie with it.

    Parameters
    ----------
    outputs : tensor of shape (n_rows, n_classes)
    tolerance : float or None
        By how much they may differ by rounding; None means 1e-9 of the largest magnitude in
        the row.
    """
    best = outputs.amax(1, keepdim=True)
    if tolerance is None:
        limit = best - RELATIVE_TOLERANCE * outputs.abs().amax(1, keepdim=True)
    else:
        limit = best - tolerance
    return (outputs >= limit).to(torch.uint8).argmax(1)


def linear_head(model: Any) -> LinearHead | None:
    """The head of a fitted scikit-learn classifier; None for a model that is not linear.

    Scalers and projections in front of a linear classifier become part of the head.
    """
    if isinstance(model, FrozenEstimator):
        model = model.estimator
    model = getattr(model, "best_estimator_", model)  # of a search for parameters
    if isinstance(model, Pipeline):
        head = linear_head(model[-1])
        return None if head is None else _before(head, model[:-1])
    if isinstance(model, (SVC, NuSVC)):  # whose coefficients are those of pairs of classes
        return None
    coefficients, classes = getattr(model, "coef_", None), getattr(model, "classes_", None)
    if coefficients is None or classes is None:
        return None
    weight = _float64(coefficients)
    n_outputs = 1 if len(classes) == 2 else len(classes)
    if weight.shape[:-1] != (n_outputs,):
        return None
    bias = _float64(getattr(model, "intercept_", 0.0)).reshape(-1).expand(n_outputs)
    return _of_all_classes(weight, bias)


def layer_head(layer: nn.Linear) -> LinearHead:
    """The head of a network whose last layer is linear."""
    weight = layer.weight.detach().to(torch.float64)
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
    return _of_all_classes(weight, bias.to(torch.float64))


def _of_all_classes(weight: Tensor, bias: Tensor) -> LinearHead:
    """A single output is the second class's, and that of the first class 0."""
    if len(weight) == 1:
        weight = torch.cat([torch.zeros_like(weight), weight])
        bias = torch.cat([torch.zeros_like(bias), bias])
    return LinearHead(weight, bias)


def _before(head: LinearHead, step: Any) -> LinearHead | None:
    """The head on what goes into a step, where the step is affine."""
    if isinstance(step, FrozenEstimator):
        step = step.estimator
    if step is None or isinstance(step, str):  # "passthrough"
        return head
    if isinstance(step, Pipeline):
        before: LinearHead | None = head
        for _, inner in reversed(step.steps):
            before = None if before is None else _before(before, inner)
        return before
    weight, bias = head
    if isinstance(step, MinMaxScaler):
        if step.clip:
            return None
        return LinearHead(weight * _float64(step.scale_), bias + weight @ _float64(step.min_))
    if isinstance(step, (StandardScaler, RobustScaler, MaxAbsScaler)):
        if getattr(step, "clip", False):
            return None
        center = getattr(step, "center_" if isinstance(step, RobustScaler) else "mean_", None)
        scale = getattr(step, "scale_", None)
        is_centered = getattr(step, "with_centering", getattr(step, "with_mean", True))
        weight = weight if scale is None else weight / _float64(scale)
        if center is not None and is_centered:
            bias = bias - weight @ _float64(center)
        return LinearHead(weight, bias)
    if isinstance(step, PCA):
        if step.whiten:
            scales = _float64(step.explained_variance_).clamp(min=0.0).sqrt()
            weight = weight / scales.clamp(min=np.finfo(np.float64).eps)  # as PCA does
        weight = weight @ _float64(step.components_)
        return LinearHead(weight, bias - weight @ _float64(step.mean_))
    if isinstance(step, TruncatedSVD):
        return LinearHead(weight @ _float64(step.components_), bias)
    return None


def _float64(values: Any) -> Tensor:
    if sparse.issparse(values):
        values = values.toarray()
    return torch.tensor(np.asarray(values, dtype=np.float64))
