"""The blueprint of the pages about texts of notices."""

from flask import Blueprint

blueprint = Blueprint("texts", __name__)
