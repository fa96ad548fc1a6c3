# SPDX-License-Identifier: MIT
# Daily verbs. The build itself is meson's; this keeps its results where people look for them:
# build/sonde, build/libsonde.so, build/libsonde.a, build/libsonde-agent.so.
PREFIX ?= /usr/local
DESTDIR ?=
BUILD := build
NINJA := ninja -C $(BUILD) --quiet

TORTURE_SECONDS ?= 3600

.PHONY: all test torture bench bench-deps lint install clean

# Hard links, because the tool looks for its agent beside itself.
all: $(BUILD)/build.ninja
	@$(NINJA)
	@for f in tool/sonde src/agent/libsonde-agent.so src/lib/libsonde.so src/lib/libsonde.so.0 \
		src/lib/libsonde.a; do \
		if [ -e $(BUILD)/$$f ]; then ln -fL $(BUILD)/$$f $(BUILD)/; fi; \
	done

$(BUILD)/build.ninja:
	meson setup $(BUILD) --prefix=$(PREFIX)

test: all
	scripts/test

# Grace-period domains, an hour for each of the three builds.
torture: all
	@for kind in plain tsan asan; do \
		$(BUILD)/tests/stress/domains_$$kind 16 $(TORTURE_SECONDS) || exit 1; \
	done

bench: all
	@$(NINJA) bench

# What Sonde is compared with, where it is installed. An existing build must look again.
bench-deps:
	./run bench-deps
	@if [ -e $(BUILD)/build.ninja ]; then meson setup --reconfigure $(BUILD) >/dev/null; fi

lint: all
	scripts/lint

# The prefix is compiled in (where the tool finds its agent), so another one means a rebuild.
install: $(BUILD)/build.ninja
	@scripts/set-prefix $(BUILD) $(PREFIX)
	@$(NINJA)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild --quiet

clean:
	rm -rf $(BUILD)
