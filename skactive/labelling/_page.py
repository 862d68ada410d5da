"""A page in the browser on which people label."""

from __future__ import annotations

import os
import socket
import threading
import webbrowser
from contextlib import ExitStack
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skactive._extras import require
from skactive._loop import ActiveLearningLoop
from skactive._validation import check_number
from skactive.files import write_table
from skactive.files._writing import check_output
from skactive.labelling._background import Background
from skactive.labelling._curve import HeldOut, LearningCurve
from skactive.labelling._desk import EXPORTED, Desk
from skactive.labelling._labels import check_labels
from skactive.labelling._lock import page_lock
from skactive.labelling._pool import Pool, PoolPart

_HOST = "127.0.0.1"


class LabellingPage:
    """Serve a page on this computer, on which people label the rows that a selector picks.

    A context: the journal is taken and the first rows are picked when it is entered. Every answer
    is in the journal before the page shows the next row, so that browser and server may be closed
    or killed at any time; the same page begun again goes on. While people label, a thread picks
    the rows that follow, with a model that knows the answers so far.

    Parameters
    ----------
    pool : PoolFile
        What to label, see :func:`skactive.files.read_pool`.
    labels : sequence of str
        What can be answered; more may be added when the page is begun again.
    journal : path
        SQLite file that keeps questions and answers, for one page at a time.
    selector : selector or Pipeline ending in one, default=None
        What picks the rows; None means ``ITLSelector()``.
    estimator : classifier, default=None
        What learns from the labels, for selectors that use a model and for the learning curve.
        None means logistic regression on standardised features.
    budget : int, default=100
        Labels to ask for.
    batch_size : int, default=10
        Rows picked at once. The next ones are picked when half of them have been answered.
    held_out : tuple of (rows, labels) or None, default=None
        Positions of rows in the pool whose labels are known. They are not asked, and measure
        the model in the learning curve. None measures by cross-validation on the labels given.
    annotator : str or None, default=None
        Who labels; recorded in the journal with each answer.
    export : path or None, default=None
        File (.csv, .json, .jsonl or .parquet) that is kept up to date with the labels, from the
        first one on.
    title : str or None, default=None
        What the page says above; None means the name of the pool's file.
    port : int, default=0
        Where to listen on 127.0.0.1; 0 means any port that is free.
    random_state : int, default=0
        Seeds the selector and the model.

    Attributes
    ----------
    url : str
        The link that opens the page, with a token that is another one each time.
    app : ASGI application
        What answers the requests.

    Raises
    ------
    ImportError
        Without ``pip install "skactive[page]"``.
    JournalInUseError
        On entering, if another page has the journal.
    JournalMismatchError
        On entering, if the journal was begun with another pool or selector.
    OSError
        On entering, if the port is taken.

    Notes
    -----
    The server listens on this computer only. It answers only to browsers that have opened the
    link, refuses requests that come from other sites, and loads nothing from elsewhere.

    Examples
    --------
    >>> import os, tempfile
    >>> from skactive.files import read_pool
    >>> from skactive.labelling import LabellingPage
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "reviews.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("length,stars\\n10,5\\n200,1\\n30,4\\n120,2\\n")
    >>> journal = os.path.join(folder.name, "labels.db")
    >>> with LabellingPage(read_pool(path), ["good", "bad"], journal=journal) as page:
    ...     print(page.url.split("?")[0][:17], "until page.run() returns")
    http://127.0.0.1: until page.run() returns
    >>> folder.cleanup()
    """

    def __init__(
        self,
        pool: Pool,
        labels: Any,
        *,
        journal: str | os.PathLike[str],
        selector: Any = None,
        estimator: Any = None,
        budget: int = 100,
        batch_size: int = 10,
        held_out: tuple[NDArray[np.int64], Any] | None = None,
        annotator: str | None = None,
        export: str | os.PathLike[str] | None = None,
        title: str | None = None,
        port: int = 0,
        random_state: int = 0,
    ) -> None:
        self.pool = pool
        self.labels = labels
        self.journal = journal
        self.selector = selector
        self.estimator = estimator
        self.budget = budget
        self.batch_size = batch_size
        self.held_out = held_out
        self.annotator = annotator
        self.export = export
        self.title = title
        self.port = port
        self.random_state = random_state

    def __enter__(self) -> Self:
        _import_server()
        labels = check_labels(self.labels)
        check_number(self.budget, "budget", integer=True)
        check_number(self.batch_size, "batch_size", integer=True)
        estimator = self.estimator
        if estimator is None:
            estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        pool, held_out = self._divided()
        export = self._exporter()
        with ExitStack() as stack:
            stack.enter_context(page_lock(self.journal))
            self._socket = stack.enter_context(_listen(self.port))
            sizes = {
                "budget": min(self.budget, len(pool)),
                "batch_size": min(self.batch_size, len(pool)),
            }
            loop = self._loop_maker(estimator, sizes)
            self._desk = Desk(pool, labels, loop, annotator=self.annotator, **sizes)
            self._desk.open()
            curve = LearningCurve(estimator, pool.X, held_out, self.batch_size)
            self._background = Background(self._desk, curve, export)
            self._make_app(curve)
            self._background.start()
            stack.callback(self._background.end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def run(self, *, open_browser: bool = False) -> None:
        """Answer requests until the process is told to stop, as by Ctrl-C.

        Parameters
        ----------
        open_browser : bool, default=False
            Show the page in a window of the standard browser.
        """
        import uvicorn

        config = uvicorn.Config(
            self.app,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,  # it would show the token
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(self.url,), daemon=True).start()
        uvicorn.Server(config).run(sockets=[self._socket])

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to label."""
        return bool(self._desk.state()["status"] == "finished")

    def _divided(self) -> tuple[Pool, HeldOut | None]:
        if self.held_out is None or len(self.held_out[0]) == 0:
            return self.pool, None
        rows, labels = np.asarray(self.held_out[0]), np.asarray(self.held_out[1], dtype=object)
        rest = np.setdiff1d(np.arange(len(self.pool)), rows)
        if len(rest) == 0:
            raise ValueError("held_out covers all rows of the pool, so there is nothing to ask.")
        return PoolPart(self.pool, rest), HeldOut(self.pool.X[rows], labels)

    def _loop_maker(self, estimator: Any, sizes: dict[str, Any]) -> Any:
        def make_loop() -> ActiveLearningLoop:
            return ActiveLearningLoop(
                clone(estimator),
                None if self.selector is None else clone(self.selector),
                **sizes,
                journal=os.fspath(self.journal),
                random_state=self.random_state,
            )

        return make_loop

    def _make_app(self, curve: LearningCurve) -> None:
        from skactive.labelling._app import Views, make_app
        from skactive.labelling._guard import Secrets

        secrets = Secrets()
        port = self._socket.getsockname()[1]
        notes = {"journal": os.path.basename(self.journal)}
        if self.export is not None:
            notes["export"] = os.path.basename(self.export)
        title = self.pool.path.name if self.title is None else self.title
        views = Views(self._desk, curve, secrets, title=title, notes=notes)
        self.app = make_app(views, secrets, port)
        self.url = f"http://{_HOST}:{port}/?token={secrets.token}"

    def _exporter(self) -> Any:
        if self.export is None:
            return None
        path = self.export
        check_output(path)
        for name, other in (("pool", self.pool.path), ("journal", self.journal)):
            if os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other):
                raise ValueError(
                    f"export == {os.fspath(path)!r} would overwrite the {name}. Name another file."
                )
        return lambda rows: write_table(path, rows, columns=EXPORTED)


def _import_server() -> None:
    for module in ("starlette", "uvicorn"):
        require(module, "page", "The labelling page")


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno, f"port == {port} of {_HOST} cannot be used: {error.strerror}. Use port=0."
        ) from error
    except OverflowError as error:
        listener.close()
        raise ValueError(f"port == {port}, must be an int from 0 to 65535.") from error
    return listener
