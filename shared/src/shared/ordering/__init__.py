"""The order's document, its events and its changes of status; no other package knows the document's fields."""
