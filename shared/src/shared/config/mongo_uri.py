"""The MongoDB connection string: which options it may contain, and what is wrong with an invalid one.

Errors never quote the string itself: it contains the password.
"""

import re
from urllib.parse import unquote

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

SCHEMES = ("mongodb://", "mongodb+srv://")
ALLOWED = frozenset(
    {
        "appname",
        "authmechanism",
        "authmechanismproperties",
        "authsource",
        "compressors",
        "directconnection",
        "loadbalanced",
        "replicaset",
        "servermonitoringmode",
        "srvmaxhosts",
        "srvservicename",
        "tlscertificatekeyfile",
        "tlscertificatekeyfilepassword",
        "zlibcompressionlevel",
    }
)
# Promises to clients depend on these options: a URI may contain them with these values only.
FIXED = {
    "journal": "true",
    "readpreference": "primary",
    "retryreads": "true",
    "retrywrites": "true",
    "ssl": "true",
    "tls": "true",
    "w": "majority",
}
OTHER_SETTINGS = {"tlscafile": "MONGODB_CA_FILE"}
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def mongo_uri(text: str) -> str:
    """Return a valid connection string unchanged; otherwise raise ValueError with a sentence that names the mistake."""
    scheme = next((scheme for scheme in SCHEMES if text.startswith(scheme)), None)
    if scheme is None:
        raise ValueError("must begin with mongodb:// or mongodb+srv://")
    if any(character.isspace() for character in text):
        raise ValueError("must not contain white space")
    authority, _, rest = text.removeprefix(scheme).partition("/")
    credentials, _, hosts = authority.rpartition("@")
    _check_credentials(credentials)
    if not all(host.partition(":")[0] or host.startswith("[") for host in hosts.split(",")):
        raise ValueError("a host name is missing; write mongodb://user:password@host:27017")
    for option in filter(None, re.split("[&;]", rest.partition("?")[2])):
        _check_option(*option.partition("=")[::2])
    if scheme == SCHEMES[0]:  # the driver would query DNS to parse mongodb+srv://
        try:
            parse_uri(text, warn=True)
        except (ValueError, PyMongoError):
            raise ValueError("is not a valid connection string; write mongodb://user:password@host:27017") from None
    return text


def _check_credentials(credentials: str) -> None:
    if "@" in credentials or "/" in credentials or credentials.count(":") > 1:
        raise ValueError("user name and password must be percent-encoded: write @ as %40, : as %3A, / as %2F")
    if "+" in credentials:
        raise ValueError("a + in user name or password is ambiguous: write a plus sign as %2B, a space as %20")
    if _PERCENT.search(credentials):
        raise ValueError("a % in user name or password must be written as %25")


def _check_option(name: str, value: str) -> None:
    key = name.lower()
    if key in ALLOWED:
        return
    if key in FIXED:
        if unquote(value).lower() != FIXED[key]:
            raise ValueError(f"the option {name} must be {FIXED[key]}, or be left out")
        return
    if key in OTHER_SETTINGS:
        raise ValueError(f"the option {name} is not allowed; set {OTHER_SETTINGS[key]} instead")
    raise ValueError(f"the option {name[:40]!r} is not allowed; remove it")
