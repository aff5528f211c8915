"""`diploma-archive sandbox`: a FrontCore on this machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import reporting
from diploma_archive.errors import SettingsError


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8765,
    participants: Annotated[int, typer.Option(help="How many enrolments.", min=1)] = 40,
    persons: Annotated[int, typer.Option(help="How many persons.", min=1)] = 25,
    seed: Annotated[int, typer.Option(help="Another seed gives other data.")] = 1,
    requests_per_second: Annotated[float, typer.Option(help="Answer 429 above this rate; 0 is no limit.")] = 5.0,
    api_key: Annotated[str, typer.Option(help="The key that it accepts.")] = "sandbox-key",
    pdf_bytes: Annotated[int | None, typer.Option(help="Pad each PDF to about this size.")] = None,
    render_anew: Annotated[bool, typer.Option("--render-anew", help="Other bytes at each download.")] = False,
) -> None:
    """Run a FrontCore of your own on this machine, with invented data, until Ctrl-C."""
    with reporting(as_json=False):
        try:
            from diploma_archive.sandbox import Sandbox, run_forever  # noqa: PLC0415  an extra that not everybody has
        except ImportError:
            raise SettingsError(
                "the sandbox needs packages that are not installed", fix="pip install 'diploma-archive[sandbox]'"
            ) from None
        server = Sandbox(
            participants=participants,
            persons=persons,
            seed=seed,
            api_key=api_key,
            requests_per_second=requests_per_second or None,
            port=port,
            pdf_bytes=pdf_bytes,
            render_anew=render_anew,
        )

        def announce(base_url: str) -> None:
            typer.echo(f"FRONTCORE_BASE_URL={base_url}\nFRONTCORE_API_KEY={api_key}")
            sys.stdout.flush()

        try:
            run_forever(server, announce)
        except OSError as error:
            raise SettingsError(
                f"the sandbox cannot listen on port {port} ({error.strerror})", fix="Choose another --port"
            ) from None
