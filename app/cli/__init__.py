"""The flask commands of the product."""
