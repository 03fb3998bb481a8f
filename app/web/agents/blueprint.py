"""The blueprint of customer service's pages."""

from flask import Blueprint

blueprint = Blueprint("agents", __name__)
