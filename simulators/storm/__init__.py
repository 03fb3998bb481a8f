"""A storm: faults as the DMS would state them for a day and a night, and a judge of what came of it."""
