# Both commands of the README in a container.
#
#   docker build --target cpu --tag tfcr .
#   docker run --rm --volume "$PWD/out:/out" tfcr                  # scripts/reproduce, its results under ./out
#   docker run --rm tfcr scripts/test
#
#   docker build --target gpu --tag tfcr:gpu .
#   docker run --rm --gpus all --volume "$PWD/out:/out" tfcr:gpu   # needs the NVIDIA Container Toolkit on the host

ARG PYTHON=3.12
FROM python:${PYTHON}-slim-bookworm AS cpu
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/tfcr
COPY . .
RUN scripts/setup
ENV PATH=/opt/tfcr/.venv/bin:$PATH
VOLUME /out
CMD ["scripts/reproduce", "--out", "/out"]

# The same with CUDA and cuDNN, as the extra `and-cuda` of the locked TensorFlow brings them.
FROM cpu AS gpu
RUN version="$(python -c 'import importlib.metadata as m; print(m.version("tensorflow"))')" \
    && python -m pip install "tensorflow[and-cuda]==$version"
