"""Twilio SendGrid: e-mails out, delivery events in."""
