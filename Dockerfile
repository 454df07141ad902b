# The project in a container. Continuous integration does not build this file; it is kept simple
# enough to be read instead.
#
#   docker build -t ttt-ssm-eval .
#   docker run --rm ttt-ssm-eval                      # the demo
#   docker run --rm -i ttt-ssm-eval --stdin <notes    # your own text
FROM python:3.11-slim

RUN useradd --create-home ttt
WORKDIR /home/ttt/app
COPY --chown=ttt pyproject.toml constraints.txt README.md LICENSE run_monitor.py ./
COPY --chown=ttt ttt ttt
COPY --chown=ttt ttt_ssm_nano ttt_ssm_nano
RUN pip install --no-cache-dir . -c constraints.txt

USER ttt
ENTRYPOINT ["python", "run_monitor.py"]
CMD ["--demo"]
