"""What all tests share."""

pytest_plugins = ("tests.canary_watch", "tests.savings")
