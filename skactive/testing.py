"""Checks that any selector can run on itself: scikit-learn's, and those of the contract.

In a test module::

    @pytest.mark.parametrize("check", selector_checks(MySelector()))
    def test_contract(check):
        check()

The data are rows of features, so selectors set up for a precomputed kernel cannot be checked.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial, update_wrapper

from sklearn.utils.estimator_checks import check_estimator

from skactive._base import BaseSelector
from skactive._contract import CHECKS, Check
from skactive.exceptions import BudgetWarning, ColdStartWarning, ZeroNormWarning

__all__ = ["check_selector", "selector_checks"]


def check_selector(selector: BaseSelector) -> None:
    """Run scikit-learn's ``check_estimator`` and all checks of the selector contract.

    Parameters
    ----------
    selector : BaseSelector
        An instance; it is cloned, never fitted itself. Its parameters must suit 30 rows of 4
        features (no precomputed kernel).

    Raises
    ------
    AssertionError
        At the first failure, with the name of the check and what the contract demands.

    Examples
    --------
    >>> from skactive import RandomSelector
    >>> from skactive.testing import check_selector
    >>> check_selector(RandomSelector(random_state=0))
    """
    with warnings.catch_warnings():
        for category in (BudgetWarning, ColdStartWarning, ZeroNormWarning):
            warnings.simplefilter("ignore", category)  # its data are tiny and have rows of zeros
        results = check_estimator(selector, on_skip=None, on_fail=None)
    for result in results:
        if result["status"] == "failed":
            error = result["exception"]
            raise AssertionError(
                f"{type(selector).__name__} fails scikit-learn's {result['check_name']}: {error!r}"
            ) from error
    for check in selector_checks(selector):
        check()


def selector_checks(selector: BaseSelector) -> list[Callable[[], None]]:
    """The checks of the selector contract that apply to a selector.

    Parameters
    ----------
    selector : BaseSelector
        As for ``check_selector``.

    Returns
    -------
    checks : list of callables without arguments
        Each raises an AssertionError if the selector breaks the contract. ``check.__name__``
        says what is checked (and becomes the test id in ``pytest.mark.parametrize``),
        ``check.__doc__`` what the contract demands.
    """
    applicable = [check for check, applies in CHECKS if applies(selector)]
    return [update_wrapper(partial(_run, check, selector), check) for check in applicable]


def _run(check: Check, selector: BaseSelector) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ColdStartWarning)  # most checks label nothing
            check(selector)
    except Exception as error:
        found = error if isinstance(error, AssertionError) else repr(error)
        raise AssertionError(
            f"{type(selector).__name__} fails {check.__name__}: {found}. "
            f"The contract: {check.__doc__}"
        ) from error
