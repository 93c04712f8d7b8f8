"""The order's document, its events and its changes of status. No other package of `shared` knows the document."""
