"""Running a service where nothing leads out: a network namespace of its own, with named outlets and inlets.

`python -m lethe_common.confinement --outlet 5432 --inlet 9100 -- python -m lethe_billing`
starts the service in a fresh network namespace (Linux, namespaces(7)) that has a
loopback interface and nothing else. Each outlet is a port on that loopback behind
which this process connects to the same port outside; each inlet the reverse. The
porter's Unix socket reaches in by the file system. What the service itself, or
anything in it, dials beyond that has no route.
"""
