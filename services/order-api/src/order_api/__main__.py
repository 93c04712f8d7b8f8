"""The program `order-api`."""

from typing import NoReturn

from shared.http.server import become_gunicorn


def main() -> NoReturn:
    """Serve the API until a signal stops it."""
    become_gunicorn("order_api.app:wsgi()")


if __name__ == "__main__":
    main()
