"""Addresses and ports of sockets changed, and TCP connections dropped."""
