"""What every kind of partner has to keep to; a new folder is tested without a line here."""
