"""The program `auth-api`."""

from typing import NoReturn

from shared.http.server import become_gunicorn


def main() -> NoReturn:
    """Serve the API until a signal stops it."""
    become_gunicorn("auth_api.app:wsgi()")


if __name__ == "__main__":
    main()
