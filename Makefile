# python3 and make are all that is needed; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LAVA := .venv-lava
SANAFE := .venv-sanafe
PEERS := .venv-crosscheck

.PHONY: demo docs test test-slow test-backends backends tools crosscheck lint types imports coverage wheel-smoke clean bench

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)  ## the main job on the bundled data
	$(BIN)/spiking-pvae run

test: $(READY)  ## the quick tests
	$(BIN)/python -m pytest --numprocesses 2 -m "not slow"

test-slow: $(READY)  ## the tests that take longer
	$(BIN)/python -m pytest --numprocesses 2 -m "slow and not backend"

$(LAVA)/.ready:
	$(PYTHON) -m venv $(LAVA)
	$(LAVA)/bin/python -m pip install --quiet h5py scipy 'networkx<=2.8.7' asteval 'numpy>=2,<2.4'
	$(LAVA)/bin/python -m pip install --quiet --no-deps --ignore-requires-python lava-nc==0.10.0 lava-dl==0.6.0
	@touch $@

$(SANAFE)/.ready:
	$(PYTHON) -m venv $(SANAFE)
	$(SANAFE)/bin/python -m pip install --quiet sanafe==2.2.9 numpy
	@touch $@

backends: $(READY) $(LAVA)/.ready $(SANAFE)/.ready $(PEERS)/.ready  ## environments of the backends that want other versions than this package
	@echo "Lava: export SPIKING_PVAE_LAVA_PYTHON=$(CURDIR)/$(LAVA)/bin/python"
	@echo "SANA-FE: export SPIKING_PVAE_SANAFE_PYTHON=$(CURDIR)/$(SANAFE)/bin/python"

test-backends: backends  ## the tests that need those environments; a missing one fails
	SPIKING_PVAE_LAVA_PYTHON=$(CURDIR)/$(LAVA)/bin/python SPIKING_PVAE_REQUIRE_BACKENDS=1 \
		SPIKING_PVAE_SANAFE_PYTHON=$(CURDIR)/$(SANAFE)/bin/python \
		SPIKING_PVAE_PEERS_PYTHON=$(CURDIR)/$(PEERS)/bin/python \
		$(BIN)/python -m pytest --numprocesses 2 -m backend

$(PEERS)/.ready: $(READY) crosscheck/requirements.txt
	$(BIN)/python -m venv $(PEERS)
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> "$$($(PEERS)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/_project.pth"
	$(PEERS)/bin/python -m pip install --quiet --no-deps --requirement crosscheck/requirements.txt
	@touch $@

crosscheck: $(PEERS)/.ready $(SANAFE)/.ready  ## counts against NeuroBench, sinabs, SpikingJelly and SANA-FE, in environments of their own
	SPIKING_PVAE_SANAFE_PYTHON=$(CURDIR)/$(SANAFE)/bin/python \
		$(PEERS)/bin/python -m pytest --config-file crosscheck/pytest.ini crosscheck

lint: $(READY)  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## strict typing
	$(BIN)/mypy

imports: $(READY)  ## who may import whom
	$(BIN)/lint-imports

tools:  ## a Chromium and an SSH server for the tests, from Debian's or Ubuntu's packages
	{ command -v chromium || command -v google-chrome || command -v chromium-browser; } && ls /usr/sbin/sshd \
		|| { [ "$$(id -u)" = 0 ] || as=sudo; $$as apt-get update -qq && $$as apt-get install --yes -qq \
			--no-install-recommends chromium fonts-dejavu-core openssh-server openssh-client; }

coverage: $(READY)  ## line and branch coverage of the quick tests
	$(BIN)/python -m pytest --numprocesses 2 -m "not slow" --cov --cov-report=term-missing:skip-covered

docs: $(READY) $(LAVA)/.ready  ## the documentation, warnings as errors; runs the examples
	SPIKING_PVAE_LAVA_PYTHON=$(CURDIR)/$(LAVA)/bin/python $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

wheel-smoke: $(READY)  ## build the wheel by way of the sdist, install it elsewhere, use it
	rm -rf dist build
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python tests/wheel_smoke.py dist

.venv-bench/.ready: pyproject.toml constraints.txt benchmarks/peers.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[exports]'
	.venv-bench/bin/python -m pip install --quiet --no-deps --requirement benchmarks/peers.txt
	$(PYTHON) -m venv .venv-bench-brian
	.venv-bench-brian/bin/python -m pip install --quiet brian2==2.9.0 'numpy<2.4'
	@touch $@

bench: .venv-bench/.ready $(LAVA)/.ready  ## the simulator beside its peers, in environments of their own
	OMP_NUM_THREADS=1 .venv-bench/bin/python benchmarks/simulate.py \
		--brian .venv-bench-brian/bin/python --lava $(LAVA)/bin/python

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(LAVA) $(SANAFE) $(PEERS) .venv-bench .venv-bench-brian build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
		.hypothesis .coverage
