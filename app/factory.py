"""create_app: wires the product together and does no work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy.pool import QueuePool
from werkzeug.middleware.proxy_fix import ProxyFix

import app.models  # noqa: F401 - knows every table before the first query.
from app.db import db, set_up_engine
from app.doorbell import BELL, BELL_TIMEOUT_S, rq
from app.logs import set_up_logs
from app.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent


def create_app(
    settings: Settings | None = None, *, process: str = "web", background: bool = False
) -> Flask:
    """Build the application; raises SettingsInvalid that names every missing setting.

    `background` leaves out pages, interfaces and commands: a worker of a lane serves none of them,
    and each of many workers would hold them in memory.
    """
    settings = settings or load_settings()
    app = Flask(
        "app",
        root_path=str(ROOT / "app"),
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "app" / "static" / "dist"),
        instance_path=str(ROOT / "instance"),
    )
    app.config.from_mapping(_flask_config(settings))
    app.extensions["tiedolla_settings"] = settings
    set_up_logs(settings.log_level, process)
    db.init_app(app)
    rq.init_app(app)
    with app.app_context():
        set_up_engine(settings.statement_timeout_s)
    if settings.trusted_proxy_count:
        count = settings.trusted_proxy_count
        app.wsgi_app = ProxyFix(app.wsgi_app, count, count, count)  # type: ignore[method-assign]
    if not background:
        _add_front(app)
    return app


def _add_front(app: Flask) -> None:
    """Add what people, other systems and the command line call."""
    # Imported only where it is wanted; a worker is smaller by a fifth without.
    from flask_migrate import Migrate  # noqa: PLC0415

    from app.api import register as api  # noqa: PLC0415
    from app.cli import register as cli  # noqa: PLC0415
    from app.web import register as web  # noqa: PLC0415

    Migrate(app, db, directory=str(ROOT / "migrations"), compare_type=True)
    web.register(app)
    api.register(app)
    cli.register(app)


def _flask_config(settings: Settings) -> dict[str, object]:
    return {
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "TESTING": settings.environment == "test",
        "MAX_CONTENT_LENGTH": 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 512 * 1024,
        "SESSION_COOKIE_NAME": "tiedolla",
        "SESSION_COOKIE_SECURE": settings.secure_cookies,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=settings.staff_session_h),
        "SQLALCHEMY_DATABASE_URI": settings.database_url.get_secret_value(),
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "poolclass": QueuePool,
            "pool_size": settings.database_pool_count,
            "max_overflow": 2,
            "pool_recycle": 1800,
            # Whoever finds no free connection for so long is better told to come again.
            "pool_timeout": 10,
            # What rows hold has no place in the texts of errors, which end up in logs.
            "hide_parameters": True,
            "connect_args": {
                "connect_timeout": 5,
                "application_name": "tiedolla",
                # A server that is gone is noticed within a minute, also in the middle of a call.
                "keepalives_idle": 30,
                "keepalives_interval": 10,
                "keepalives_count": 3,
                "tcp_user_timeout": 60_000,
            },
        },
        "RQ_CONNECTION": settings.redis_url.get_secret_value(),
        "RQ_QUEUE_CONNECTIONS": {BELL: _hurried(settings.redis_url.get_secret_value())},
        "RQ_QUEUES": ["default", BELL],
        "RQ_ASYNC": True,
    }


def _hurried(redis_url: str) -> str:
    """The address with short time-outs; those that the address has already come first and count."""
    sign = "&" if "?" in redis_url else "?"
    return (
        f"{redis_url}{sign}socket_timeout={BELL_TIMEOUT_S}&socket_connect_timeout={BELL_TIMEOUT_S}"
    )
