"""Runs several flask commands one after the other in one process.

Most of a command's time goes into importing the product; a start needs half a dozen of them. Run as
`python -m deploy.flask_steps '[["db", "upgrade"], ["setup"]]'`; ends with the first that fails.
Standard output is that of the last command alone.
"""

from __future__ import annotations

import contextlib
import json
import sys

from flask.cli import FlaskGroup, ScriptInfo


def main(commands: list[list[str]]) -> None:
    """Run the commands on one application; they share standard input."""
    group, info = FlaskGroup(), ScriptInfo()
    with contextlib.redirect_stdout(sys.stderr):
        for command in commands[:-1]:
            group.main(args=command, prog_name="flask", obj=info, standalone_mode=False)
    group.main(args=commands[-1], prog_name="flask", obj=info, standalone_mode=False)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
