"""Mailboxes that others write to, read over IMAP."""
