"""Tests of integrations/sendgrid_email."""
