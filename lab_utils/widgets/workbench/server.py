"""Serves the workbench as one page on the loopback, by Voilà: no code is shown, a token is asked for.

The study is measured before, where progress is seen and errors end in a line. The page reads what was
measured from a folder that only this user can read, and that goes when the server ends.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from ...core.files import scratch_folder
from ...workflows.study import Choice, Study
from .setup import Setup, hand_over

HOST = "127.0.0.1"
TEMPLATE = Path(__file__).parent / "template"
# Widgets' JavaScript comes as blobs, sound and pictures as blobs and data; nothing comes from elsewhere.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline' data:; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; frame-ancestors 'none'; form-action 'self'"
)

EXTENSIONS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget"]
"""What shows widgets. Other extensions of this machine's JupyterLab would load for nothing, or fail."""


def free_port(port: int | None) -> int:
    """The port that was asked for, or any free one. Raises ValueError if it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that has just ended is none
        try:
            probe.bind((HOST, port or 0))
        except OSError as error:
            raise ValueError(
                f"--port {port}: can't be listened on ({error.strerror}); leave it out for any free port"
            ) from None
        return int(probe.getsockname()[1])


def serve(
    study: Study,
    choice: Choice,
    setup: Setup,
    *,
    port: int,
    theme: str = "light",
    open_browser: bool = True,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve the workbench of a study until Ctrl-C or SIGTERM; `tell` gets the address once it answers."""
    with scratch_folder("tune") as folder:  # readable by this user only
        hand_over(folder, study, choice, setup)
        token = token_urlsafe(24)
        app = _application(folder, _notebook(folder), token, port, theme)
        address = f"http://{HOST}:{port}/?token={token}"

        def ready() -> None:
            tell(address)
            if open_browser:
                webbrowser.open(address)

        _run(app, ready)


def _notebook(folder: Path) -> Path:
    """A notebook of one cell, which is run for each page and never shown."""
    import nbformat  # takes seconds

    code = (
        f"import os\nos.chdir({os.getcwd()!r})\n"  # paths mean what they mean where the command was given
        "from lab_utils.widgets.workbench.workbench import open_workbench\n"
        f"display(open_workbench({str(folder)!r}))"
    )
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code)],
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}},
    )
    path = folder / "workbench.ipynb"
    nbformat.write(notebook, path)
    return path


def _application(folder: Path, notebook: Path, token: str, port: int, theme: str) -> Any:
    """A Voilà application, set up but not listening. The user's own configuration files are left out."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from traitlets.config import Config
    from voila.app import Voila

    class ThisPython(KernelSpecManager):
        """One kernel: the Python that serves."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            command.append("--log-level=ERROR")
            return KernelSpec(argv=command, language="python", display_name="Python", env=_environment())

    app = Voila(
        config=Config(
            Voila={
                "ip": HOST,
                "port": port,
                "port_retries": 0,
                "token": token,
                "open_browser": False,
                "config_file_paths": [],
                "connection_dir_root": str(folder),
                "tornado_settings": {
                    "headers": {"Content-Security-Policy": POLICY},
                    "allow_remote_access": False,
                },
            },
            VoilaConfiguration={
                "theme": theme,
                "strip_sources": True,
                "show_tracebacks": False,
                "file_allowlist": [],
                "allow_template_override": "NO",
                "allow_theme_override": "NO",
                "extension_allowlist": EXTENSIONS,
                "kernel_spec_manager_class": ThisPython,
            },
        ),
        log_level="ERROR",
    )
    logging.getLogger("tornado.general").setLevel(logging.ERROR)  # it warns of how Jupyter pings the page
    app.initialize([str(notebook)])
    app.template_paths.insert(0, str(TEMPLATE))
    return app


def _environment() -> dict[str, str]:
    """The kernel imports from where this process does; what it computes by is not watched by a debugger."""
    here = str(Path(__file__).resolve().parents[3])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def _run(app: Any, ready: Callable[[], None]) -> None:
    from tornado.ioloop import IOLoop

    IOLoop.current().add_callback(ready)
    app.start()  # until a signal; it ends the kernels
