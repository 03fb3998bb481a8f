"""Tests of integrations/billing."""
