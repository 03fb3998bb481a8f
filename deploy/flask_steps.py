"""Runs several flask commands one after the other in one process.

Most of a command's time goes into importing the product; a start needs half a dozen of them. Run as
`python -m deploy.flask_steps '[["db", "upgrade"], ["setup"]]'`; ends with the first that fails.
Standard output is a JSON list of what each command printed.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from flask.cli import FlaskGroup, ScriptInfo


def main(commands: list[list[str]]) -> None:
    """Run the commands on one application; they share standard input."""
    group, info = FlaskGroup(), ScriptInfo()
    outputs = []
    for command in commands:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            group.main(args=command, prog_name="flask", obj=info, standalone_mode=False)
        outputs.append(output.getvalue())
    print(json.dumps(outputs))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
