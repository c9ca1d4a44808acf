# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband keys`."""

import argparse
from pathlib import Path

from lbserver.files.plain_json import to_json
from lbserver.host.keys import make_keys


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`liveband keys`."""
    parser = commands.add_parser(
        "keys",
        help="make a pair of keys for playing over a network",
        description="Makes NAME.key, which goes to the other side, and NAME.key_secret, which never leaves this machine.",
        epilog="example: liveband keys ~/.config/liveband --name studio",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="made for you alone if it is not there")
    parser.add_argument("--name", default="liveband", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print the two paths as JSON")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    public, secret = make_keys(parsed.folder.expanduser(), parsed.name)
    if parsed.json:
        print(to_json({"public": str(public), "secret": str(secret)}))
    else:
        print(
            f"{public}  give this one to the other side: a server keeps its clients' in the folder of --clients,\n"
            f"{' ' * len(str(public))}  a client names the server's with --upstream-key\n{secret}  keep this one: --key"
        )
    return 0
