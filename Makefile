# Each target is a line or two over cargo. `make demo` and `make test` are all that a new machine needs.
#
#   make demo [FIRMWARE=uefi] [ISO=/path/to.iso]   boot a live system from a stick, in a virtual machine
#   make test                                      the tests, in under half an hour; the last line counts
#   make test-long                                 the same and the long ones: more whole distributions, three times as long
#   make bench [BENCH="--runs 9 --bus usb"]        measure against live-boot, dracut and the floor
#   make lint                                      formatting and lints
#   make fuzz [SECONDS=60]                         every fuzz target for that long; wants cargo-fuzz and a nightly compiler

FIRMWARE = bios
ISO =
BENCH =
SECONDS = 60

# rustup puts cargo where only a new login shell looks.
export PATH := $(PATH):$(HOME)/.cargo/bin
# Named, so that procedural macros are not built with init's static flags; see .cargo/config.toml.
export CARGO_BUILD_TARGET := $(shell PATH="$(PATH)" rustc -vV 2>/dev/null | sed -n 's/^host: //p')
RELEASE = $${CARGO_TARGET_DIR:-target}/$(CARGO_BUILD_TARGET)/release

.PHONY: demo test test-long bench lint fuzz

demo:
	./setup.sh demo
	cargo build --release --bin isolde-init --bin isolde-mkinitrd --bin demo $(if $(ISO),--bin isolde) --workspace
	$(RELEASE)/isolde-mkinitrd $(if $(ISO),--form rdinit) --output $(RELEASE)/isolde.img $(RELEASE)/isolde-init
	$(RELEASE)/demo --second-initrd $(RELEASE)/isolde.img --firmware "$(FIRMWARE)" --iso "$(ISO)"

test:
	./setup.sh test
	./tests/run.sh

test-long:
	./setup.sh test
	./tests/run.sh --include-ignored

bench:
	./setup.sh test
	cargo build --release --bin isolde-init --bin isolde-floor --bin isolde-bench --workspace
	$(RELEASE)/isolde-bench $(BENCH)

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

fuzz:
	cd fuzz && for target in $$(cargo +nightly fuzz list); do \
		cargo +nightly fuzz run --target $(CARGO_BUILD_TARGET) $$target -- -max_total_time=$(SECONDS) || exit 1; \
	done
