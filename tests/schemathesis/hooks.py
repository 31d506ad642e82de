"""What Schemathesis cannot read from the description: how lines of JSON are written, and that `at` excludes `from` and `to`."""

import schemathesis


@schemathesis.serializer("application/x-ndjson", "text/csv")
def as_text(ctx, value):
    """Sends the generated text as it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def map_query(ctx, query):
    """Asks about an instant or an interval, not about both."""
    if ctx.operation.path == "/v1/coverage" and query and "at" in query:
        for name in ("from", "to"):
            query.pop(name, None)
    return query
