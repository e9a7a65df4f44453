"""A service that creates invoices: one client, bounded waits, and no write that ends unsaid."""

from invoice_service.app import create_app, from_environment

__all__ = ["create_app", "from_environment"]
