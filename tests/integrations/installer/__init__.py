"""Tests of integrations/installer."""
