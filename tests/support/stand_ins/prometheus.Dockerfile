# Debian's Prometheus, for clusters that cannot pull the image of kube-prometheus-stack.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends prometheus \
 && rm -rf /var/lib/apt/lists/*
USER nobody
ENTRYPOINT ["prometheus"]
