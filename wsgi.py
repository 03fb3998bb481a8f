"""The WSGI application, and the flask command with those of the workers and simulators added."""

from app.factory import create_app
from simulators.cli import simulate
from workers.cli import register as register_workers

app = create_app()
register_workers(app)
app.cli.add_command(simulate)
