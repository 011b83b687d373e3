"""Thin handlers: decode, call, encode."""
