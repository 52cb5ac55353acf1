"""Measures the service beside its limit: synthetic shop, real servers, one load for both sides."""
