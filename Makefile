# Shortcuts into .ci/steps, which CI runs too; `make setup` makes .venv from the lock.
.PHONY: setup check test slow docs audit sbom

# The tools of .venv come first, whether or not it is activated.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

setup:
	python3 -m venv .venv
	.venv/bin/python -m pip install -q --require-hashes --only-binary :all: -r requirements.txt
	.venv/bin/python -m pip install -q --no-deps -e .

check test slow docs audit sbom:
	.ci/steps $@
