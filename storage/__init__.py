"""What is kept: the event log, the ledger of decisions and the exported models."""
