"""Pools of dask: rows stay where they are, and the picks are those for the same rows in memory.

Selectors and loops take a ``dask.array.Array`` or ``dask.dataframe.DataFrame`` in place of `X`;
that needs ``pip install "skactive[distributed]"``. With an active ``distributed.Client`` each
partition is worked on by the worker that holds it; else this process reads one partition after the
other, the next one while it works on the last. A pool that fits into 40 % of the memory is held
there; a larger one is read anew for every sweep.

A worker that is lost takes nothing along that cannot be computed again: its partitions are read
again elsewhere, and what has been done to them is done again. Two settings of dask say how long to
wait, after which a TimeoutError says what for:

``skactive.call-timeout``, default "1 hour"
    For the answers of all partitions to one question.
``skactive.no-workers-timeout``, default "60 s"
    For a first worker, or for new ones after all have been lost.

A worker that no longer answers is given up by the scheduler after
``distributed.scheduler.worker-ttl``, default 5 minutes.
"""
