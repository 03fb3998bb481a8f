"""Folders on somebody else's SFTP server: one way to use them, whoever they belong to."""
