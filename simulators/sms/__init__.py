"""The simulated SMS provider: Twilio's paths, answers, error codes and signed status callbacks."""
