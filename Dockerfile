# The environment of uv.lock with the command rnnsep; the pipeline runs in a mounted repository (docs/machines.md).
# GPU: docker build --build-arg EXTRA=cuda --tag rnnsep:cuda .
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*'
RUN pip install --no-cache-dir uv

ARG EXTRA=""
ENV UV_PROJECT_ENVIRONMENT=/opt/rnnsep \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    PATH=/opt/rnnsep/bin:$PATH

# the packages first, so that a change in the code does not install them again
WORKDIR /opt/source
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --locked --no-dev --extra pipeline --no-install-project ${EXTRA:+--extra "$EXTRA"}
COPY src src
RUN uv sync --locked --no-dev --extra pipeline --no-editable ${EXTRA:+--extra "$EXTRA"}

WORKDIR /work
CMD ["rnnsep", "--help"]
