"""Real servers for the tests: PostgreSQL, Valkey and Azurite, each on a free loopback port, gone when the tests are."""

from services.azurite_server import AzuriteServer
from services.postgres_server import Addresses, PostgresServer
from services.valkey_server import ValkeyServer

__all__ = ["Addresses", "AzuriteServer", "PostgresServer", "ValkeyServer"]
