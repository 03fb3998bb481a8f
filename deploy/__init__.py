"""How the product runs on machines: private servers for rehearsal, the process supervisor."""
