"""Values of dranspose's helm chart as pipelines: what ``penstock run``, ``check``, ``graph`` and ``convert`` get."""

from collections.abc import Mapping
from pathlib import Path

from penstock.compat.dranspose.namespace import serve_dranspose
from penstock.compat.dranspose.values_file import is_values, read_values
from penstock.errors import Problem
from penstock.pipeline.document import Document
from penstock.pipeline.front_door import Asked

__all__ = ["DransposeDoor"]


class DransposeDoor:
    """Reads values of dranspose's helm chart."""

    @staticmethod
    def recognises(text: str) -> bool:
        """Whether a text has ingesters and a worker or a reducer at its top."""
        return is_values(text)

    @staticmethod
    def read(text: str, path: Path, environ: Mapping[str, str], asked: Asked) -> tuple[Document, list[Problem]]:
        """Return the installation as a pipeline. Users' modules are looked for beside the file.

        Raises
        ------
        CheckError
            If the file is no YAML.
        """
        del asked  # there is one pipeline in it
        serve_dranspose()
        found = read_values(text, path, environ)
        document = Document(
            tree=found.tree(), places={(): found.document.place(())}, folder=path.parent, name=found.document.name
        )
        return document, found.problems
