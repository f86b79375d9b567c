"""What commands show on a terminal, and the models, databases and logs that they work on."""
