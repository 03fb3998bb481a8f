"""Tests of the private servers, the supervisor and the demo."""
