"""The simulated e-mail provider: SendGrid's send call, errors and signed event webhook."""
