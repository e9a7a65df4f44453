"""Jobs in virtual time: a bad network, crashes, a second writer, and a judge of what happened."""
