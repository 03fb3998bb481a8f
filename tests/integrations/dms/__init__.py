"""Tests of integrations/dms."""
