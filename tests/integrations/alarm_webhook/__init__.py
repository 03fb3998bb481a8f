"""Tests of what is posted to the webhook."""
