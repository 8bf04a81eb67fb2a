# SPDX-License-Identifier: Apache-2.0
"""Estimators that pass every check and go wrong under way: packed, loaded and warmed up they are as good as the first.

They count how often they are asked from the moment they are unpickled, and begin with their fault after as many times
as it takes a server to become ready. Nothing of it happens where they are fitted.
"""

import os
import resource
import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

#: A server asks 29 times before it is ready: the golden requests, and whether requests may be scored together.
BEFORE = 30

Labels = npt.NDArray[np.int64]


class Nearest(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The good one: the class whose mean is nearest."""

    _asked = -1

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._asked = 0

    def fit(self, rows: npt.NDArray[np.float64], labels: Labels) -> "Nearest":
        """Remember the mean of each class."""
        self.classes_ = np.unique(labels)
        self.means_ = np.stack([rows[labels == each].mean(axis=0) for each in self.classes_])
        return self

    def predict(self, rows: npt.NDArray[np.float64]) -> Labels:
        """Return a label for each row."""
        distances = ((rows[:, np.newaxis, :] - self.means_) ** 2).sum(axis=2)
        labels: Labels = self.classes_[distances.argmin(axis=1)]
        if self._asked < 0:
            return labels
        self._asked += 1
        number = self._asked - BEFORE
        return self.spoiled(labels, number) if number > 0 else labels

    def spoiled(self, labels: Labels, number: int) -> Labels:
        """Return what comes of right labels the n-th time, counted from 1, that they are asked for in earnest."""
        return labels


class Slow(Nearest):
    """Takes 50 ms more."""

    def spoiled(self, labels: Labels, number: int) -> Labels:
        time.sleep(0.05)
        return labels


class Failing(Nearest):
    """Fails every twentieth time: 5 %."""

    def spoiled(self, labels: Labels, number: int) -> Labels:
        if number % 20 == 0:
            raise RuntimeError("this model fails every twentieth time")
        return labels


class Shifted(Nearest):
    """Takes every class for the next one three times out of five."""

    def spoiled(self, labels: Labels, number: int) -> Labels:
        return (labels + 1) % len(self.classes_) if number % 5 < 3 else labels


class Crashing(Nearest):
    """Takes its process with it after the thirtieth time."""

    def spoiled(self, labels: Labels, number: int) -> Labels:
        if number > 30:
            os.abort()
        return labels


class Greedy(Nearest):
    """Leaves no file descriptor to its server for nine seconds, four times a minute, as one that leaks them does.

    Connections that are open are served meanwhile. New ones wait, those of the kubelet's probes among them, three of
    which, of two seconds each, make the pod unready; it is ready again a moment later.
    """

    _next = 0.0

    def spoiled(self, labels: Labels, number: int) -> Labels:
        if number > 20 and time.monotonic() > self._next:
            self._next = time.monotonic() + 15
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
            threading.Timer(9, resource.setrlimit, (resource.RLIMIT_NOFILE, limits)).start()
        return labels
