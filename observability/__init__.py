"""The dashboards as code, and pictures of them: `make dashboards`, `make pictures`."""
