"""ASAPO's file transfer: files of a beamtime's folder, or what the store has under a file's name, by folder tokens."""

import mmap
import os
from collections.abc import Callable
from typing import Final

import msgspec

from penstock.compat.asapo import requests as ask
from penstock.compat.asapo.authority import Authority, Folder
from penstock.compat.asapo.beamtime_files import BeamtimeFiles
from penstock.compat.asapo.beamtime_folders import AUTO, BeamtimeFolders
from penstock.compat.asapo.broker import Answer
from penstock.compat.asapo.file_names import FileNames
from penstock.core.stream_address import StreamAddress
from penstock.errors import BeamtimeError, MissingMessageError, ServiceError

__all__ = ["FileTransfer"]

COPIED_BYTES: Final = 1 << 20
"""Files up to this are read. A larger one is sent from where it is mapped, by the kernel only: where somebody truncates
it meanwhile, the connection breaks; we would be killed, if we touched it (SIGBUS)."""
_COOKIE = "Authorization=Bearer "


class FileTransfer:
    """Gives files.

    Parameters
    ----------
    folders
        Say where beamtimes have their folders; ``None``: there are no files but in the store.
    """

    def __init__(self, names: FileNames, authority: Authority, folders: BeamtimeFolders | None) -> None:
        self._names, self._authority, self._folders = names, authority, folders
        self._files = None if folders is None else BeamtimeFiles(folders)

    def folder_token(self, request: ask.FolderToken) -> Callable[[], Answer]:
        """Return what, done in another thread, answers a request for a folder token.

        Raises
        ------
        ServiceError
            If the token does not allow it.
        """
        grant = self._authority.check(request.token)
        beamtime = StreamAddress(request.beamtime)
        if not grant.allows("read", beamtime) and not any(
            scope.within in beamtime for scope in grant.scopes if scope.right in ("read", "admin")
        ):
            raise ServiceError(f"authorization: the token of {grant.name!r} does not allow to read in {beamtime}")

        def issue() -> Answer:
            if self._folders is not None and self._files is not None:
                folder = self._files.folder(self._folders.resolve(request.beamtime), request.folder)
            elif request.folder in ("", AUTO):
                folder = ""
            else:
                raise BeamtimeError(f'{request.folder[:200]!r}: this server has no folders; ask for "auto"')
            return Answer(200, self._authority.issue_folder(request.beamtime, folder, grant).encode())

        return issue

    def transfer(self, request: ask.Transfer, cookie: str) -> Callable[[], Answer]:
        """Return what, done in another thread, answers a request for a file.

        Raises
        ------
        ServiceError
            If the folder token is none.
        """
        token = cookie.partition(_COOKIE)[2].split(";")[0].strip()
        folder = self._authority.folder(token)

        def transfer() -> Answer:
            found = self._file(folder, request.name)
            if found is None:
                found = self._names.payload(
                    folder.beamtime, request.stream, request.name, lambda address: folder.grant.allows("read", address)
                )
            if found is None:
                raise MissingMessageError(f"{request.name[:200]}: beamtime {folder.beamtime} has no such file")
            if request.only_size:
                return Answer(200, msgspec.json.encode({"file_size": len(found)}))
            return Answer(200, found)

        return transfer

    def _file(self, folder: Folder, name: str) -> memoryview | None:
        """Return a file's bytes, as they are in memory when they are sent; ``None`` if there is no such file."""
        if self._folders is None or self._files is None:
            return None
        if not folder.grant.allows("read", StreamAddress(folder.beamtime)):
            return None  # whose file it is cannot be told; in the store it can
        try:
            with self._files.open(self._folders.resolve(folder.beamtime), name) as opened:
                if opened.size <= COPIED_BYTES:
                    return memoryview(os.pread(opened.fd, opened.size, 0))
                return memoryview(mmap.mmap(opened.fd, opened.size, prot=mmap.PROT_READ))
        except MissingMessageError:
            return None
