"""Executes notebooks with nbclient and renders them with nbconvert: python notebooks.py KERNEL_NAME FILE...

Each file is executed in its own folder and replaced by what came of it, with an HTML page beside it.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

TIMEOUT_SECONDS = 900


def main(kernel, *files):
    for path in map(Path, files):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        resources = {"metadata": {"path": str(path.parent)}}
        NotebookClient(notebook, kernel_name=kernel, timeout=TIMEOUT_SECONDS, resources=resources).execute()
        nbformat.validate(notebook)
        nbformat.write(notebook, path)
        page, _ = HTMLExporter().from_notebook_node(notebook)
        path.with_suffix(".html").write_text(page, encoding="utf-8")
        print(path.name, "ran", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
