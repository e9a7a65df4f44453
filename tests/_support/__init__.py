"""What tests share: servers, stand-ins and tables. No tests stand here."""
