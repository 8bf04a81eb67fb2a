# SPDX-License-Identifier: Apache-2.0
"""Load tests that tell the truth: arrivals fixed in advance, sent in an open loop in Locust, judged by intervals.

``locust -f loadtests/spam.py`` is Locust as ever; ``portside loadtest spam`` runs it and judges. Nothing else of ours
is imported: a server is known by its URL.
"""
