"""The lane runner: drains lanes of its zone near the systems that they reach.

It knows neither our database nor our settings, only the centre's API, its own settings file and its
journal; so of app it imports the logs
only.
"""
