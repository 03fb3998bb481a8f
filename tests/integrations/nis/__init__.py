"""Tests of integrations/nis."""
