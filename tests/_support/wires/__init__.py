"""Servers, proxies and rules for transports over real sockets."""
