"""Tests of integrations/twilio_sms."""
