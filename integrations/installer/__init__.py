"""The mass installer and the partners that speak its interface: orders out, acknowledgements in."""
