# livecue for CPUs; Dockerfile.cuda is for NVIDIA GPUs. docs/deployment.md says how to run it.
#
#   docker build --tag livecue .

FROM python:3.13-slim-trixie AS build

# The environment gets no pip of its own: a running gateway installs nothing.
RUN python -m venv --without-pip /opt/livecue
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PYTHON=/opt/livecue/bin/python

# Dependencies are a layer of their own, at the versions and hashes of the lock.
COPY requirements.lock /src/
RUN pip install --require-hashes --only-binary :all: --requirement /src/requirements.lock

COPY . /src/
RUN pip install --no-deps /src


FROM python:3.13-slim-trixie

LABEL org.opencontainers.image.title="livecue" \
	org.opencontainers.image.description="Real-time transcription gateway: live speech in, subtitle cues out" \
	org.opencontainers.image.licenses="MIT"

# A number, so that Kubernetes can tell that it is not root. /data holds journal, keys and recordings, /models downloaded
# models; both and /tmp, where uploads are decoded, are all that is written.
RUN groupadd --gid 10001 livecue \
	&& useradd --uid 10001 --gid livecue --home-dir /data --no-create-home --shell /usr/sbin/nologin livecue \
	&& install --directory --owner livecue --group livecue --mode 0700 /data /models

COPY --from=build /opt/livecue /opt/livecue

ENV PATH=/opt/livecue/bin:$PATH \
	PYTHONUNBUFFERED=1 \
	XDG_DATA_HOME=/data \
	XDG_CACHE_HOME=/models \
	HF_HOME=/models \
	HF_HUB_DISABLE_TELEMETRY=1 \
	LIVECUE_SERVER__HOST=0.0.0.0

USER 10001:10001
VOLUME ["/data", "/models"]
EXPOSE 8000
STOPSIGNAL SIGTERM

# Liveness, not readiness: a gateway that drains or is full must not be restarted. The port opens once the model is loaded,
# which may have to be downloaded first.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
	CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

ENTRYPOINT ["livecue"]
CMD ["serve"]
