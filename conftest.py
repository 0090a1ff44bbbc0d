"""Makes the test servers known to the tests of the core and of the packs."""

pytest_plugins = ["services.fixtures"]
