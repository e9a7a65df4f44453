"""The table of calls that every client and transport must answer alike."""
