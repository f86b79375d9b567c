"""What happened: events become numbers, declared once and computed by one kernel."""
