"""Every selector of skactive, by the names in the tables."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import skactive
from benchmarks.label_efficiency.frozen import FrozenActiveFT
from benchmarks.label_efficiency.models import LINEAR, MODELS

RANDOM = "random"


class Entry(NamedTuple):
    """How one line of the tables is made."""

    name: str
    """In skactive, or in the registry's own classes."""
    parameters: Mapping[str, Any] = {}
    inner: Entry | None = None
    """The selector that a meta-selector wraps."""
    tasks: tuple[str, ...] = ("classification",)
    targets: bool = True
    """Whether it is told the targets where a setting has them."""
    only_with_targets: bool = False
    models: tuple[str, ...] = MODELS
    """Those that it can ask."""
    asks_model: bool | None = None
    """Whether picks depend on the model that is trained; None means where it needs labels."""

    committee: bool = False
    """Whether it asks bagged copies of the model that is trained, fitted to the same labels."""

    def make(self, budget: int, seed: int) -> Any:
        """An instance that has not been fitted."""
        cls = self.cls()
        parameters = {**self.parameters, "budget": budget, "random_state": seed}
        if self.inner is not None:
            parameters["selector"] = self.inner.make(budget, seed)
        known = inspect.signature(cls).parameters
        drawn = ("budget", "random_state")
        return cls(**{k: v for k, v in parameters.items() if k in known or k not in drawn})

    def cls(self) -> type:
        return OWN[self.name] if self.name in OWN else getattr(skactive, self.name)

    def is_there(self) -> bool:
        """Whether skactive has it: a name may be announced before its file is written."""
        inner = self.inner is None or self.inner.is_there()
        module = skactive._MODULES.get(self.name)
        if self.name in OWN:
            return True
        try:
            return inner and module is not None and hasattr(import_module(module), self.name)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            return False

    def source(self) -> str:
        """A digest of the code of the module that defines it: comments and docstrings aside."""
        path = inspect.getsourcefile(self.cls())
        assert path is not None
        found = code_digest(Path(path).read_text(encoding="utf-8"))
        return found if self.inner is None else f"{found} {self.inner.source()}"


def code_digest(source: str) -> str:
    """Changes with the code, and not with comments, docstrings or the layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            body[0] = ast.Expr(ast.Constant(""))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


OWN: Mapping[str, type] = {"FrozenActiveFT": FrozenActiveFT}
BOTH = ("classification", "regression")
REGRESSION = ("regression",)
MARGIN = Entry("UncertaintySelector", {"criterion": "margin"})
SELECTORS: dict[str, Entry] = {
    RANDOM: Entry("RandomSelector", tasks=BOTH),
    "itl": Entry("ITLSelector", tasks=BOTH),
    "itl-undirected": Entry("ITLSelector", targets=False, only_with_targets=True),
    "vtl": Entry("VTLSelector", tasks=BOTH),
    "core-set": Entry("CoreSetSelector", tasks=BOTH),
    "activeft": Entry("ActiveFTSelector", tasks=BOTH),
    # Its model is the kernel ridge regression of its own, whatever is trained on the picks.
    "mlmoc": Entry(
        "MLMOCSelector",
        {"sequential": True, "n_candidates": 500, "n_reference": 500},
        asks_model=False,
    ),
    "margin": MARGIN,
    "entropy": Entry("UncertaintySelector", {"criterion": "entropy"}),
    "least-confident": Entry("UncertaintySelector", {"criterion": "least_confidence"}),
    "bald-top": Entry("BALDSelector", {"strategy": "top"}, committee=True),
    # Batches of hundreds among all rows would take hours.
    "bald-greedy": Entry(
        "SubsamplePool",
        {"n_candidates": 600},
        Entry("BALDSelector", {"strategy": "greedy", "max_configurations": 200}),
        models=(LINEAR,),
        committee=True,
    ),
    "badge": Entry("BADGESelector"),
    "k-means": Entry("KMeansSelector", tasks=BOTH),
    "typiclust": Entry("TypiClustSelector", tasks=BOTH),
    "probcover": Entry("ProbCoverSelector", tasks=BOTH),
    "lcmd": Entry("LCMDSelector", tasks=BOTH),
    "facility-location": Entry("FacilityLocationSelector", tasks=BOTH),
    "ctl": Entry("CTLSelector", tasks=BOTH),
    "cosine-similarity": Entry("CosineSimilaritySelector", tasks=BOTH),
    "information-density": Entry("InformationDensitySelector"),
    "leverage-score": Entry("LeverageScoreSelector", tasks=BOTH),
    "alfa-mix": Entry("ALFAMixSelector", models=(LINEAR,)),
    "drop-query": Entry("DropQuerySelector"),
    "stochastic-margin": Entry("StochasticBatch", inner=MARGIN),
    "class-balanced-margin": Entry("ClassBalanced", inner=MARGIN),
    "auto": Entry("AutoSelector", tasks=BOTH),
    "variance": Entry("VarianceSelector", tasks=REGRESSION, committee=True),
    "expected-model-change": Entry("ExpectedModelChangeSelector", tasks=REGRESSION),
    "greedy-sampling": Entry("GreedySamplingSelector", tasks=REGRESSION),
}

TEMPERATURES = (0.04, 0.07, 0.2, 0.5)
# Runs of their own, beside the tables: what the paper on ActiveFT varies.
ABLATIONS: dict[str, Entry] = {
    **{
        f"activeft-{value}": Entry("ActiveFTSelector", {"temperature": value})
        for value in TEMPERATURES
    },
    "activeft-frozen": Entry("FrozenActiveFT"),
}


def entry_of(selector: str) -> Entry:
    return ABLATIONS[selector] if selector in ABLATIONS else SELECTORS[selector]
