"""The customer information system (CIS): its XML files and the SFTP server they travel by."""
