"""yizhan profile: the deployments that this command knows."""

import os

import typer

from yizhan_cli import profiles
from yizhan_cli.options import AsJson
from yizhan_cli.output import show_json, show_table

app = typer.Typer(no_args_is_help=True, help="Show the profiles: addresses and keys by name.")


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show every profile. Secrets are shown as what refers to them."""
    default, known = profiles.everything()
    rows = [
        {"name": one.name, "default": one.name == default, **dict(one.values)}
        for one in known.values()
    ]
    if as_json:
        show_json({"file": str(profiles.config_file(os.environ)), "profiles": rows})
        return
    show_table(
        ("profile", "default", "ingest", "receipts", "kafka", "key"),
        [
            (
                one.name,
                "yes" if one.name == default else "",
                *(
                    one.values.get(n, "")
                    for n in ("ingest_url", "receipts_url", "kafka_url", "key")
                ),
            )
            for one in known.values()
        ],
    )
    typer.echo(f"{len(rows)} in {profiles.config_file(os.environ)}")
