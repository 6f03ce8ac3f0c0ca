"""A Hugging Face hub on localhost, as far as fetching needs one, for tests.

It speaks the routes that ``huggingface_hub`` uses (repository info, tree, resolve) over real
HTTP, so that tests exercise the real client. Misbehaviour is a property of a `Repository`.

    with StubHub({"datasets/org/name": Repository({"a.csv": b"..."})}) as hub:
        ...  # run a program with HF_ENDPOINT=hub.url
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

_INFO = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_TREE = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/tree/([^/]+)")
_FILE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_LARGE = (".parquet", ".safetensors", ".bin")


@dataclass
class Repository:
    """The files of a repository (path -> bytes) and what is wrong with it.

    gated     "files": listing is public, files need `readers` (as on the real hub); "all": both.
    readers   tokens that may read a gated repository.
    served    bytes sent instead of a file's own (path -> bytes).
    cut       paths whose download breaks off after half of the bytes, each time.
    stalled   paths whose download stops after half of the bytes until the hub is closed.
    status    answer everything with this HTTP status; a redirect leads to where it came from.
    file_status  answer requests for files with this HTTP status.
    page      answer everything with this HTML, as a proxy's log-in page does.
    page_headers  headers of such pages.
    file_page  answer requests for files so.
    sha       what is given as the commit of a revision, in the place of `commit`.
    sizes     sizes that are claimed of files (path -> bytes).
    headers   headers of files that are sent instead; those that are empty are left out.
    """

    files: dict[str, bytes]
    gated: str = ""
    readers: frozenset[str] = frozenset()
    served: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    stalled: set[str] = field(default_factory=set)
    status: int = 200
    file_status: int = 200
    page: bytes = b""
    page_headers: dict[str, str] = field(default_factory=dict)
    file_page: bytes = b""
    sha: str | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def commit(self) -> str:
        """A sha that follows from the content, as a git commit's does."""
        listing = "".join(f"{path} {_git_oid(data)}\n" for path, data in sorted(self.files.items()))
        return hashlib.sha1(listing.encode()).hexdigest()


class StubHub:
    """Serves repositories (``"datasets/org/name"`` or ``"models/org/name"``) until closed.

    `downloads` records the paths of files whose content was asked for.
    """

    def __init__(self, repositories: dict[str, Repository], valid_tokens: set[str] | None = None):
        self.repositories = repositories
        self.valid_tokens = valid_tokens
        self.downloads: list[str] = []
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "StubHub":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Refusal(Exception):
    """Status, error code and message with which the hub declines a request."""


class _Handler(BaseHTTPRequestHandler):
    hub: StubHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        routes = ((_INFO, self._info), (_TREE, self._tree), (_FILE, self._file))
        try:
            for pattern, answer in routes:
                if match := pattern.fullmatch(path):
                    return answer(*match.groups())
            raise _Refusal(404, "NoRoute", f"the stub hub has no route {path}")
        except _Refusal as refusal:
            status, code, message = refusal.args
            headers = {"X-Error-Code": code, "X-Error-Message": message}
            self._send(status, b"", headers | ({"Location": self.path} if status == 302 else {}))

    do_HEAD = do_GET

    def _info(self, kind: str, name: str, revision: str | None) -> None:
        repository = self._repository(kind, name, revision or "main", listing=True)
        if repository.page:
            return self._send_page(repository.page, repository.page_headers)
        sha = repository.commit if repository.sha is None else repository.sha
        self._send_json({"id": name, "sha": sha, "siblings": [], "tags": []})

    def _tree(self, kind: str, name: str, revision: str) -> None:
        repository = self._repository(kind, name, revision, listing=True)
        if repository.page:
            return self._send_page(repository.page, repository.page_headers)
        self._send_json([_entry(path, data) for path, data in sorted(repository.files.items())])

    def _file(self, kind: str | None, name: str, revision: str, path: str) -> None:
        repository = self._repository(kind or "models", name, revision, listing=False)
        if repository.file_status != 200:
            raise _Refusal(repository.file_status, "", "the store is having a bad day")
        if repository.file_page:
            return self._send_page(repository.file_page, repository.page_headers)
        if path not in repository.files:
            raise _Refusal(404, "EntryNotFound", "Entry not found")
        entry = _entry(path, repository.files[path])
        body = repository.served.get(path, repository.files[path])
        headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{entry["oid"]}"'}
        if "lfs" in entry:
            headers["X-Linked-Etag"] = f'"{entry["lfs"]["oid"]}"'
            headers["X-Linked-Size"] = str(repository.sizes.get(path, len(body)))
        headers = {k: v for k, v in (headers | repository.headers).items() if v}
        if self.command == "GET":
            self.hub.downloads.append(path)
        broken = path in repository.cut | repository.stalled
        self._send(200, body, headers, sent=len(body) // 2 if broken else len(body))
        if broken and self.command == "GET":
            if path in repository.stalled:
                self.hub.closing.wait()
            self.close_connection = True

    def _repository(self, kind: str, name: str, revision: str, listing: bool) -> Repository:
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if token and self.hub.valid_tokens is not None and token not in self.hub.valid_tokens:
            raise _Refusal(401, "", "Invalid credentials in Authorization header")
        repository = self.hub.repositories.get(f"{kind}/{name}")
        if repository is None:
            # The real hub does not tell strangers whether a private repository exists.
            raise _Refusal(404 if token else 401, "RepoNotFound", "Repository not found")
        if repository.status != 200:
            raise _Refusal(repository.status, "", "the hub is having a bad day")
        closed = repository.gated == "all" or (repository.gated == "files" and not listing)
        if closed and token not in repository.readers:
            raise _Refusal(403 if token else 401, "GatedRepo", f"Access to {name} is restricted")
        if revision not in ("main", repository.commit):
            raise _Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository

    def _send_page(self, page: bytes, headers: dict[str, str]) -> None:
        self._send(200, page, {"Content-Type": "text/html"} | headers)

    def _send_json(self, document: Any) -> None:
        body = json.dumps(document).encode()
        self._send(200, body, {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], sent: int | None = None
    ) -> None:
        """Answer; of the body only the first `sent` bytes, where given."""
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


def _entry(path: str, data: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data)}
    entry["oid"] = _git_oid(data)
    if path.endswith(_LARGE):
        sha256 = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": sha256, "size": len(data), "pointerSize": 134}
    return entry


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
