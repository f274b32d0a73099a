"""What the demo prints once it runs."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from .idp import DEMO_ACCOUNTS
from .run import LOG_FILE, Demo
from .trust import trust_instructions

_PLACES = (
    ("verify.localhost", "any signed-in user"),
    ("admin.localhost", "the group admins (policy in admin.ppl)"),
    ("public.localhost", "everybody, without signing in"),
    ("authenticate.localhost", "the authenticate service"),
    ("idp.localhost", "the development identity provider"),
)


def welcome(console: Console, demo: Demo) -> None:
    """Print addresses, demo sign-ins, and how to trust the CA."""
    port = demo.addresses.port
    console.print()
    if port != demo.wanted_port:
        console.print(f"[yellow]Port {demo.wanted_port} is taken: using {port}.[/]")
    places = Table(title="Open in a browser", title_justify="left", header_style="bold")
    places.add_column("Address", style="cyan", no_wrap=True)
    places.add_column("For")
    for host, who in _PLACES:
        places.add_row(f"{demo.addresses.url(host)}/", who)
    console.print(places)
    accounts = Table(title="Demo sign-ins", title_justify="left", header_style="bold")
    accounts.add_column("User name", style="cyan", no_wrap=True)
    accounts.add_column("Password", no_wrap=True)
    accounts.add_column("Who")
    for account in DEMO_ACCOUNTS:
        accounts.add_row(account.username, account.password, account.note)
    console.print(accounts)
    console.print("[bold]Trust the demo's CA[/], which can vouch for names under localhost only:")
    for program, command in trust_instructions(
        demo.certificates.ca_file, demo.addresses.url("public.localhost")
    ):
        console.print(f"  [bold]{program}[/]")
        console.print(f"    {command}", markup=False, highlight=False, soft_wrap=True)
    for label, path in (("Configuration", demo.config_file), ("Log", demo.config_file.with_name(LOG_FILE))):
        console.print(f"{label}: ", end="")
        console.print(path, markup=False, highlight=False, soft_wrap=True)
    console.print("Stop with Ctrl-C.")
