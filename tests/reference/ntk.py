"""Gradients of a network's outputs by autograd, one row and one output at a time."""

import copy

import numpy as np
import torch


def jacobian(module, X, names=None):
    """All gradients, float64 of shape (n_rows, n_outputs, n_parameters).

    `X` is a tensor or a dict of tensors; `names` are those of the parameters, all that require
    gradients where it is None.
    """
    module = copy.deepcopy(module).eval()
    if names is not None:
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in names)
    parameters = [p for p in module.parameters() if p.requires_grad]
    rows = []
    for i in range(len(next(iter(X.values())) if isinstance(X, dict) else X)):
        if isinstance(X, dict):
            outputs = module(**{name: values[i : i + 1] for name, values in X.items()})
        else:
            outputs = module(X[i : i + 1])
        gradients = []
        for output in outputs.flatten():
            found = torch.autograd.grad(output, parameters, retain_graph=True, allow_unused=True)
            parts = [
                (torch.zeros_like(p) if g is None else g.to_dense()).flatten()
                for g, p in zip(found, parameters, strict=True)
            ]
            gradients.append(torch.cat(parts).double().numpy())
        rows.append(gradients)
    return np.array(rows)


def pntk_features(J):
    """Gradients of the sum of the outputs over the root of their number."""
    return J.sum(1) / np.sqrt(J.shape[1])


def kernel(kind, J_a, J_b):
    """The kernel between rows with gradients J_a and J_b, in the layout of `empirical_ntk`."""
    n, n_outputs, _ = J_a.shape
    m = len(J_b)
    if kind == "pntk":
        return pntk_features(J_a) @ pntk_features(J_b).T
    if kind == "diagonal":
        return np.array([J_a[:, c] @ J_b[:, c].T for c in range(n_outputs)])
    full = np.empty((n * n_outputs, m * n_outputs))
    for i in range(n):
        for c in range(n_outputs):
            for j in range(m):
                for d in range(n_outputs):
                    full[i * n_outputs + c, j * n_outputs + d] = J_a[i, c] @ J_b[j, d]
    return full


def applied(kind, J_a, J_b, vectors):
    """Entry (i, c, j): entry c of the kernel between rows i and j times vector j."""
    n, n_outputs, _ = J_a.shape
    result = np.empty((n, n_outputs, len(J_b)))
    for i in range(n):
        for j in range(len(J_b)):
            for c in range(n_outputs):
                if kind == "full":
                    result[i, c, j] = J_a[i, c] @ (J_b[j].T @ vectors[j])
                elif kind == "diagonal":
                    result[i, c, j] = J_a[i, c] @ J_b[j, c] * vectors[j, c]
                else:
                    shared = pntk_features(J_a[i : i + 1]) @ pntk_features(J_b[j : j + 1]).T
                    result[i, c, j] = shared[0, 0] * vectors[j, c]
    return result


def tensor_sketch(u, v, columns_u, columns_v, signs_u, signs_v, n_columns):
    """The sketch of the outer product of u and v, entry by entry."""
    result = np.zeros(n_columns)
    for i in range(len(u)):
        for j in range(len(v)):
            column = (columns_u[i] + columns_v[j]) % n_columns
            result[column] += signs_u[i] * signs_v[j] * u[i] * v[j]
    return result
