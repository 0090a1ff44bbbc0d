"""Cases that every index outside this process is held to, beside the published contract of all indexes."""
