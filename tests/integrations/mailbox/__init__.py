"""Tests of mailboxes, against an IMAP server in the test's own process."""
