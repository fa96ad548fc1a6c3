# SPDX-License-Identifier: MIT
# Daily verbs. The build itself is meson's; this keeps its results where people look for them:
# build/sonde, build/libsonde.so, build/libsonde.a, build/libsonde-agent.so.
PREFIX ?= /usr/local
DESTDIR ?=
BUILD := build
NINJA := ninja -C $(BUILD) --quiet

.PHONY: all test bench lint install clean

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

bench: all
	@$(NINJA) bench

lint: all
	scripts/lint

# The prefix is compiled in (where the tool finds its agent), so another one means a rebuild.
install: $(BUILD)/build.ninja
	@scripts/set-prefix $(BUILD) $(PREFIX)
	@$(NINJA)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild --quiet

clean:
	rm -rf $(BUILD)
