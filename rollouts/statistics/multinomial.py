# SPDX-License-Identifier: Apache-2.0
"""How far a measured distribution over bins lies from the true one, at every look.

As in ``bernoulli``, with bets that follow the Dirichlet distribution with all parameters 1/2 (Krichevsky & Trofimov,
IEEE Transactions on Information Theory 27, 1981): for counts k_j of n and the true distribution p,

    Gamma(J/2) / Gamma(n + J/2) * product of Gamma(k_j + 1/2) / Gamma(1/2) / p_j^k_j

has mean 1 and, by Ville's inequality, reaches 1/error with a probability of at most ``error``. With the measured
distribution q, q_j = k_j / n, this bounds n KL(q, p), since sum k_j log p_j = sum k_j log q_j - n KL(q, p).
"""

from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy


def radius(counts: NDArray[np.float64], error: float) -> float:
    """Return what the Kullback-Leibler divergence of the true distribution from the measured one is at most, in nats.

    Args:
        counts: Of each bin, which need not be whole; at least one is positive.
        error: The greatest probability that it is ever more.
    """
    count, bins = float(counts.sum()), len(counts)
    mixture = gammaln(bins / 2) - gammaln(count + bins / 2) + float((gammaln(counts + 0.5) - gammaln(0.5)).sum())
    measured = float(xlogy(counts, counts / count).sum())
    return float(measured - mixture - log(error)) / count
