"""Starts the gateway."""

from lethe_common.process import Blueprint, run
from lethe_common.services import Service
from lethe_gateway.models import Table
from lethe_gateway.settings import GatewaySettings
from lethe_gateway.wiring import build

if __name__ == "__main__":
    run(Blueprint(Service.GATEWAY, GatewaySettings, build, Table.metadata))
