# make demo   install what is missing, build the default model for a board, run its image, print the report
# make test   install what is missing, run the whole suite
# make quick  run the tests that need nothing but Python
BOARD ?= nucleo_f746zg
PYTEST_ARGS ?=
PYTEST = .venv/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test quick lint clean

demo:
	@tools/setup.sh demo
	@.venv/bin/micronets-gen build --board $(BOARD) --runtime aot --out demo/$(BOARD)
	@.venv/bin/micronets-gen run demo/$(BOARD)

test:
	@tools/setup.sh test
	@$(MAKE) --no-print-directory lint
	@$(PYTEST) $(PYTEST_ARGS)

quick:
	@tools/setup.sh quick
	@$(PYTEST) -m quick $(PYTEST_ARGS)

lint:
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

clean:
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
