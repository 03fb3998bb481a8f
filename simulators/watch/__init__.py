"""The phone-and-inbox page: a person watches what customers would get, as it arrives."""
