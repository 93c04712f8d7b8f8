# Builds every image: docker build --build-arg SERVICE=order-api -t retail-orders/order-api:dev .
# BuildKit is not needed: the classic builder makes the same images.
# A service's program has the service's name. The operator's image contains the program retail, of the member cli:
#   docker build --build-arg SERVICE=operator --build-arg MEMBER=cli --build-arg PROGRAM="retail --help" .
ARG BASE=python:3.11-slim-bookworm
ARG SERVICE=order-api

FROM ${BASE} AS build
WORKDIR /src
COPY locks/bootstrap.txt locks/
RUN pip install --no-cache-dir --require-hashes --root-user-action=ignore -r locks/bootstrap.txt
ARG SERVICE
# Dependencies before code, so that this layer is cached when only the code changes.
COPY locks/${SERVICE}.txt locks/
RUN uv venv --python python3 --no-project /opt/retail \
 && uv pip sync --no-cache --link-mode copy --compile-bytecode --require-hashes \
        --python /opt/retail/bin/python "locks/${SERVICE}.txt"
ARG MEMBER=services/${SERVICE}
COPY shared shared
COPY ${MEMBER} ${MEMBER}
RUN uv pip install --no-cache --link-mode copy --compile-bytecode --no-deps --no-sources \
        --python /opt/retail/bin/python ./shared "./${MEMBER}"

FROM ${BASE} AS runtime
# The official image has no bytecode of the standard library, and a read-only pod cannot store any: every start would
# compile it again, which doubles the CPU time of a service's imports (measured: 0.54 instead of 0.29 s).
RUN stdlib=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') \
 && python3 -m compileall -q -x '/(test|tests|idlelib|lib2to3|tkinter|ensurepip|turtledemo|(site|dist)-packages)/' "$stdlib"
# Files belong to root and the process runs as 10001. Only the development loop sets OWNER=10001:10001.
ARG OWNER=0:0
COPY --from=build --chown=${OWNER} /opt/retail /opt/retail
ENV PATH=/opt/retail/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp

ARG SERVICE
ARG PROGRAM=${SERVICE}
ENV PROGRAM=${PROGRAM}
EXPOSE 9090
CMD ["sh", "-c", "exec $PROGRAM"]
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="retail-orders ${SERVICE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT"
