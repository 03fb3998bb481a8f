"""What runs in the background: polls, interpretation, drains, the dispatcher."""
