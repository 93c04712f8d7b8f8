"""Flask that does nothing: the cost of the framework and the server."""

from flask import Flask, request

app = Flask(__name__)


@app.post("/order")
def place() -> dict[str, str]:
    """Parse the body and respond."""
    request.get_json()
    return {"status": "PLACED"}


@app.get("/orderdetails")
def read() -> dict[str, str]:
    """Respond."""
    return {"status": "PLACED"}
