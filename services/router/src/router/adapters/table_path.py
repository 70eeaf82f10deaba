"""The channel table as a file on disk."""

from pathlib import Path

from router.errors import BadTable


class TablePath:
    """Reads the file whole. Replaced by rename or written in place: both are noticed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise BadTable(
                f"the channel table {self._path} cannot be read ({error.strerror}): "
                "set YIZHAN_ROUTER_CHANNELS_FILE"
            ) from error

    def stamp(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            return error.errno
        return (found.st_ino, found.st_mtime_ns, found.st_size)
