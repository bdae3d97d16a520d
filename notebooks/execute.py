"""Execute every notebook of this folder, each in a fresh kernel of the running interpreter.

python notebooks/execute.py                               # fail on any error, or on a notebook with large outputs
python notebooks/execute.py notebooks/02_methods.ipynb    # this one alone
python notebooks/execute.py --write                       # keep the outputs in the files
"""

import argparse
import pathlib
import shutil
import sys
import tempfile
import time

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = pathlib.Path(__file__).resolve().parent
LARGEST = 300_000


class ThisInterpreter(AsyncKernelManager):
    """A kernel of the interpreter that runs this script, whatever kernels are registered on the machine."""

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        return [sys.executable, "-m", "ipykernel_launcher", "-f", self.connection_file, *(extra_arguments or [])]


def execute(path: pathlib.Path, *, write: bool) -> None:
    """Run one notebook in a folder with the tables beside it and nothing else, and print how long it took."""
    if path.stat().st_size > LARGEST:
        sys.exit(f"{path.name} has {path.stat().st_size} bytes, over {LARGEST}: commit it with small outputs or none")
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for table in FOLDER.glob("*.csv"):
            shutil.copy(table, folder)
        client = NotebookClient(
            notebook, timeout=600, kernel_manager_class=ThisInterpreter, resources={"metadata": {"path": folder}}
        )
        client.execute()
    print(f"{path.name}: {time.perf_counter() - start:.0f} s", flush=True)
    if write:
        for cell in notebook.cells:
            if cell.cell_type == "code":  # what libraries warn of is about this machine
                cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        nbformat.write(notebook, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path, help="those to execute; by default all")
    parser.add_argument("--write", action="store_true", help="keep the outputs in the files")
    arguments = parser.parse_args()
    failed = []
    for path in arguments.notebooks or sorted(FOLDER.glob("*.ipynb")):
        try:
            execute(path, write=arguments.write)
        except CellExecutionError as error:  # one run shows what is wrong in every notebook
            print(f"{path.name} failed: {error}", flush=True)
            failed.append(path.name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
