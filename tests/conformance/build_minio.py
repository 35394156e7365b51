"""Prints the path of a real MinIO, built before if need be: what `make test-minio` runs against."""

import asyncio
import sys

from lethe_cli.local.minio_server import build

if __name__ == "__main__":
    print(asyncio.run(build(lambda line: print(line, file=sys.stderr))))
