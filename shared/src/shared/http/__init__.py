"""HTTP for the APIs: the Flask application, problem documents, strict JSON, OpenAPI, gunicorn."""
