# SPDX-License-Identifier: Apache-2.0
"""The connection to a Kubernetes API server: whom it trusts, and how long it waits."""

import ssl
from typing import Any, Final

#: How long a connection may take to be there, in seconds.
CONNECT_SECONDS: Final = 10.0


def api_client(settings: Any, seconds: float) -> Any:
    """Return a client that trusts the cluster's authority as ``kubectl`` does, and waits for no answer for ever.

    From Python 3.13 on, certificates must keep to RFC 5280 in every detail, which those of many clusters do not.

    Args:
        settings: Where the API server is, and how it knows its client.
        seconds: How long an answer is waited for where a request does not say.
    """
    from kubernetes.client import ApiClient
    from urllib3.util.ssl_ import create_urllib3_context

    class Client(ApiClient):  # type: ignore[misc]
        def request(self, *given: Any, _request_timeout: Any = None, **words: Any) -> Any:
            # Left out, it would be for ever.
            timeout = _request_timeout or (min(CONNECT_SECONDS, seconds), seconds)
            return super().request(*given, _request_timeout=timeout, **words)

    client = Client(settings)
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if settings.verify_ssl else ssl.CERT_NONE)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    client.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
    return client
