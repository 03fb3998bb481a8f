"""The head-end that reads the meters: passes on their last gasps and that their power is back."""
