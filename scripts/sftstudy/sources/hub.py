"""The Hugging Face hub: commits, listings and downloads, with errors that people can act on."""

import errno
import glob
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from sftstudy.errors import StudyError

Kind = Literal["dataset", "model"]
Wanted = TypeVar("Wanted", bound=BaseException)


@dataclass(frozen=True)
class Repository:
    """A repository of the hub at a branch, tag or commit."""

    kind: Kind
    id: str
    revision: str

    def __str__(self) -> str:
        return f"hub {self.kind} {self.id} at {self.revision}"


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub lists it; `sha256` is known for large (LFS) files only."""

    bytes: int
    sha256: str | None


def resolve(repository: Repository) -> str:
    """Return the commit sha (40 hexadecimal digits) that the revision points to now."""
    from huggingface_hub import HfApi

    with _readable_errors(repository):
        info = HfApi().repo_info(
            repository.id, repo_type=repository.kind, revision=repository.revision
        )
    if not re.fullmatch(r"[0-9a-f]{40}", str(info.sha)):
        raise StudyError(f"{repository}: {_no_hub(f'it gives the commit as {info.sha!r}')}")
    return str(info.sha)


def list_files(repository: Repository) -> dict[str, RemoteFile]:
    """Return every file of the repository, by its path in it."""
    from huggingface_hub import HfApi, RepoFile

    with _readable_errors(repository):
        tree = HfApi().list_repo_tree(
            repository.id, repo_type=repository.kind, revision=repository.revision, recursive=True
        )
        return {
            entry.path: RemoteFile(entry.size, entry.lfs.sha256 if entry.lfs else None)
            for entry in tree
            if isinstance(entry, RepoFile)
        }


def download(repository: Repository, names: Sequence[str]) -> Path:
    """Bring the named files into the hub's cache; return the folder in which they lie.

    The revision must be a commit sha: then files that are in the cache need no network.
    """
    from huggingface_hub import snapshot_download

    cached = _all_cached(repository, names)
    if not cached:
        resolve(repository)  # fails at once where the download would try for half a minute
    with _readable_errors(repository):
        folder = snapshot_download(
            repository.id,
            repo_type=repository.kind,
            revision=repository.revision,
            allow_patterns=[glob.escape(name) for name in names],
            local_files_only=cached,
        )
    for name in names:
        if not (Path(folder) / name).is_file():
            raise StudyError(
                f"{repository}: the file {name} is not in the repository as {server()} serves it; "
                f"{_LOCK_AGAIN}"
            )
    return Path(folder)


def bring(repository: Repository, name: str) -> Path:
    """Return one file of the repository, in the hub's cache."""
    return download(repository, [name]) / name


def _all_cached(repository: Repository, names: Sequence[str]) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return all(
        isinstance(
            try_to_load_from_cache(
                repository.id, name, revision=repository.revision, repo_type=repository.kind
            ),
            str,
        )
        for name in names
    )


_LOCK_AGAIN = "if its owner has rewritten it, run `snakemake lock_sources` and review the new lock"


@contextmanager
def _readable_errors(repository: Repository) -> Iterator[None]:
    """Turn what the hub's client raises into a `StudyError`; never print the token."""
    import httpx2
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError, XetDownloadError

    # What a mirror answers may have any shape, and the client trips over it in as many ways.
    amiss = (KeyError, TypeError, AttributeError, json.JSONDecodeError)
    client = (httpx2.HTTPError, OSError, HFValidationError, XetDownloadError, RuntimeError)
    try:
        yield
    except (*client, *amiss) as error:
        text = f"{repository}: {_explain(error, repository)}"
        token = get_token()
        raise StudyError(text.replace(token, "<token>") if token else text) from error


def _explain(error: Exception, repository: Repository) -> str:
    """Say what happened and what to do, the most specific cause in the chain first."""
    from huggingface_hub import constants, errors, get_token

    chain = list(_causes(error))
    if _disk_is_full(chain):
        return (
            f"the disk of the hub's cache {constants.HF_HUB_CACHE} is full; free some space or "
            "set HF_HOME to a larger disk, and run again: finished files are kept"
        )
    # A subclass of RepositoryNotFoundError, therefore before it.
    if _first(chain, errors.GatedRepoError):
        page = f"{constants.ENDPOINT}/{_page(repository)}"
        if get_token() is None:
            return (
                f"the repository is gated and no token was given; ask for access at {page}, "
                "then set HF_TOKEN or run `hf auth login`"
            )
        return (
            f"the repository is gated and the given token lacks access; ask for access at {page} "
            "with the account of that token"
        )
    if _first(chain, errors.RepositoryNotFoundError):
        hint = "" if get_token() else "; if it is private, set HF_TOKEN or run `hf auth login`"
        return f"no such repository on {server()}; check its name{hint}"
    if _first(chain, errors.RevisionNotFoundError):
        return f"the repository has no such revision; check the source's 'revision'; {_LOCK_AGAIN}"
    if _first(chain, errors.OfflineModeIsEnabled):
        return (
            f"not in the cache, and the environment variable {_offline_variable()} forbids the "
            "network; unset it, or fetch on a machine with network and the same HF_HOME"
        )
    if refusal := _first(chain, errors.HfHubHTTPError):
        # Without the query, which may hold a signature that opens the file.
        url = str(refusal.response.url).partition("?")[0]
        return _explain_status(refusal.response.status_code, url)
    return _explain_transport(error, chain)


def _explain_status(status: int, url: str) -> str:
    if status == 401:
        return "the hub refused the token; set HF_TOKEN to a valid one or unset it"
    if status == 403:
        return "the hub forbids access; the token lacks the permission to read this repository"
    said = f"{server()} answered with status {status} to {url}"
    if status >= 500 or status in (408, 429):
        return f"{said}; the fault is the server's: try again later"
    return f"{said}, which a hub would serve; check HF_ENDPOINT, or use a complete mirror"


def _explain_transport(error: Exception, chain: list[BaseException]) -> str:
    """Say what happened where the server gave no status that says it."""
    import httpx2
    from huggingface_hub import constants, errors

    for kind in (httpx2.ConnectError, httpx2.ProxyError, httpx2.TimeoutException):
        if found := _first(chain, kind):
            return (
                f"no network: {server()} cannot be reached ({_line(found)}); check the "
                "connection, proxy and HF_ENDPOINT, or use a local mirror as the source's 'path'"
            )
    if metadata := _first(chain, errors.FileMetadataError):
        return _no_hub(_line(metadata).partition(". ")[0].rstrip("."))
    if sizes := re.search(r"should be of size (\d+) but has size (\d+)(.*)", str(error)):
        return (
            f"{server()} sent {sizes[2]} bytes of a file that it says has {sizes[1]}"
            f"{sizes[3].rstrip('.')}; run again, and if it does so again use another server: its "
            "copy is damaged"
        )
    if isinstance(error, httpx2.UnsupportedProtocol):
        return f"{server()} is no address of a hub ({_line(error)}); check HF_ENDPOINT, or unset it"
    if isinstance(error, httpx2.TooManyRedirects | httpx2.DecodingError):
        return _no_hub(f"{type(error).__name__}: {_line(error).rstrip('.')}")
    if isinstance(error, httpx2.HTTPError | errors.XetDownloadError):
        return (
            f"the download was cut off ({server()}, {type(error).__name__}: {_line(error)}); run "
            "again: finished files are kept"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return f"the hub's cache {constants.HF_HUB_CACHE} cannot be used: {error}"
    if isinstance(error, errors.HFValidationError):
        return _line(error)
    return _no_hub(f"{type(error).__name__}: {_line(error)}")


def _no_hub(what: str) -> str:
    return (
        f"what {server()} answers is not what a hub answers ({what}): another service, a log-in "
        "page or a faulty mirror; check HF_ENDPOINT and the proxy"
    )


def server() -> str:
    """Return the address of the hub, and which variable has set it, for messages."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}{' (HF_ENDPOINT)' if os.environ.get('HF_ENDPOINT') else ''}"


def _offline_variable() -> str:
    """Return the variable that forbids the network; of several the one that the client heeds."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next((name for name in names if os.environ.get(name)), names[0])


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _page(repository: Repository) -> str:
    return repository.id if repository.kind == "model" else f"datasets/{repository.id}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first(chain: list[BaseException], kind: type[Wanted]) -> Wanted | None:
    return next((error for error in chain if isinstance(error, kind)), None)


def _disk_is_full(chain: list[BaseException]) -> bool:
    # hf_xet reports the system's message without its number.
    return any(
        getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        or "No space left on device" in str(error)
        for error in chain
    )
