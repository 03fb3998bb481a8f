"""The head-end that reads the meters: what meters report about their supply."""
