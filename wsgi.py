"""The WSGI application, and the flask command with those of the workers and simulators added."""

import sys

from app.factory import create_app
from workers.cli import register as register_workers

# `flask worker` and `flask dispatcher` run beside many of their kind and serve nobody.
background = sys.argv[1:2] in (["worker"], ["dispatcher"])

app = create_app(background=background)
register_workers(app)
if not background:
    from simulators.cli import simulate

    app.cli.add_command(simulate)
