"""Twilio Programmable Messaging: text messages out, status callbacks in."""
