# SPDX-License-Identifier: Apache-2.0
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cluster import ClusterError
from cluster.platform.downloads import Downloads
from cluster.platform.versions import Download

CONTENT = b"kind: Namespace\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Site:
    """A web site with one file."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked = 0


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked += 1
            code = 200 if self.path == "/file.yaml" else 404
            self.send_response(code)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_downloaded_once_and_then_taken_from_the_cache(site: Site, tmp_path: Path) -> None:
    download = Download("file-1.yaml", f"{site.url}/file.yaml", DIGEST)
    for _ in range(2):
        assert Downloads(tmp_path / "cache", None, print).read(download) == CONTENT
    assert site.asked == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["file-1.yaml"]


def test_a_cached_file_that_is_not_the_one_pinned_is_downloaded_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file-1.yaml").write_bytes(CONTENT[:5])
    download = Download("file-1.yaml", f"{site.url}/file.yaml", DIGEST)
    assert Downloads(tmp_path, None, print).read(download) == CONTENT
    assert (tmp_path / "file-1.yaml").read_bytes() == CONTENT


def test_a_download_that_is_not_the_one_pinned_is_refused_and_not_kept(site: Site, tmp_path: Path) -> None:
    download = Download("file-1.yaml", f"{site.url}/file.yaml", 64 * "0")
    with pytest.raises(ClusterError, match=f"its SHA-256 is {DIGEST}, and versions.env says 0000"):
        Downloads(tmp_path, None, print).read(download)
    assert list(tmp_path.iterdir()) == []


def test_the_digest_of_a_file_that_is_not_pinned_is_told(site: Site, tmp_path: Path) -> None:
    told: list[str] = []
    Downloads(tmp_path, None, told.append).read(Download("file-1.yaml", f"{site.url}/file.yaml", ""))
    assert told == [f"file-1.yaml: no digest is pinned; this file's SHA-256 is {DIGEST}"]


@pytest.mark.parametrize(
    "url", ["{}/nothing.yaml", "http://127.0.0.1:1/file.yaml"], ids=["not there", "nobody listens"]
)
def test_a_download_that_fails_names_the_folder_as_the_way_out(site: Site, tmp_path: Path, url: str) -> None:
    with pytest.raises(ClusterError, match=r"cannot be downloaded .*--downloads"):
        Downloads(tmp_path, None, print).read(Download("file-1.yaml", url.format(site.url), ""))


def test_with_a_folder_nothing_is_downloaded(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file-1.yaml").write_bytes(CONTENT)
    cache = tmp_path / "cache"
    assert Downloads(cache, tmp_path, print).read(Download("file-1.yaml", f"{site.url}/file.yaml", DIGEST)) == CONTENT
    assert site.asked == 0
    assert not cache.exists()


def test_a_file_of_the_folder_that_is_not_the_one_pinned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file-1.yaml").write_bytes(b"other")
    with pytest.raises(ClusterError, match=r"versions\.env says"):
        Downloads(tmp_path, tmp_path, print).read(Download("file-1.yaml", "https://release.invalid", DIGEST))
