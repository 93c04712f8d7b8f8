"""Queries that several panels use."""


def quantiles(metric: str, by: str = "", more: str = "") -> dict[str, str]:
    """Return a histogram's median, 95th and 99th percentile as legend → query, each with one series per label `by`.

    `more` are further label matchers.
    """
    group = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    query = "histogram_quantile({q}, sum by ({group}) (rate({metric}_bucket{{OURS{more}}}[$__rate_interval])))"
    return {
        f"p{q * 100:.0f}{legend}": query.format(q=q, group=group, metric=metric, more=more) for q in (0.5, 0.95, 0.99)
    }


def rate(metric: str, by: str = "", more: str = "") -> str:
    """Return the query of a counter's rate per second, grouped by the label `by`; `more` are further label matchers."""
    group = f" by ({by})" if by else ""
    return f"sum{group} (rate({metric}{{OURS{more}}}[$__rate_interval]))"
