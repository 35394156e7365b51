"""The gateway's faces: HTTP for people and programs, RPC for the other services. One module per subject."""
