"""The only place where requests between services are defined. One module per answering service."""
