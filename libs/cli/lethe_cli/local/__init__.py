"""The local runner: real servers and the five services on one machine, in one data folder."""
