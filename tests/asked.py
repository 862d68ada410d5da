"""Journals with open questions, and commands run on them."""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.dummy import DummyClassifier

from skactive import ActiveLearningLoop, RandomSelector
from skactive.journal import read_journal


def make_loop(path, **params):
    params = {"budget": 6, "batch_size": 6, "random_state": 0, **params}
    return ActiveLearningLoop(DummyClassifier(), RandomSelector(), journal=path, **params)


def pool(n_samples=12):
    return np.arange(2.0 * n_samples).reshape(n_samples, 2)


def answers_in(path):
    """What the journal holds, with when and in which order it was written."""
    return read_journal(path)["answers"]


def labels_in(path):
    """The labels in the journal by row, DONT_KNOW as None."""
    return {answer["id"]: answer["label"] for answer in answers_in(path)}


def run_command(module, *arguments):
    """A command as ``skactive`` runs it, without what turns errors into messages."""
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers(dest="skactive_command"))
    return module.run(parser.parse_args([str(argument) for argument in arguments]))
