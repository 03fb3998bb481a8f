"""Tests of the CIS's files and of the SFTP server they travel by."""
