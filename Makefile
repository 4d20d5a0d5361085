# sharedtop: `make` builds ./sharedtop; `make demo` and `make test` set up what they need first.
# Variables: CC, CFLAGS, WERROR=1, SANITIZE=address,undefined, BUILD=build, prefix, DESTDIR.

VERSION := 0.1.0
prefix  ?= /usr/local
BUILD   ?= build
PKGS     = ncursesw libpq hiredis libconfig libuv jansson
PKGCONF ?= pkg-config

CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wshadow -Wcast-qual -Wmissing-prototypes -Wstrict-prototypes -Wvla \
           -Wformat=2 -Wno-format-nonliteral $(if $(WERROR),-Werror)
HARDEN   = $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
LDHARDEN = -pie -Wl,-z,relro,-z,now
SAN      = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

# Missing packages stop the build with the mend, except for goals that install or remove things.
ifneq ($(filter-out clean setup test-setup demo test install-deps,$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell $(PKGCONF) --exists $(PKGS) && echo yes),yes)
$(error Missing libraries: run 'make setup' on Debian, or install the development packages of \
	$(PKGS) with pkg-config)
endif
endif

HIREDIS_SSL := $(shell $(PKGCONF) --exists hiredis_ssl && echo hiredis_ssl)
PKG_CFLAGS  := $(shell $(PKGCONF) --cflags $(PKGS) $(HIREDIS_SSL) 2>/dev/null | sed 's/-I/-isystem /g')
PKG_LIBS    := $(shell $(PKGCONF) --libs $(PKGS) $(HIREDIS_SSL) 2>/dev/null) -lpthread -lm

CPPFLAGS += -I. -D_GNU_SOURCE -DSHAREDTOP_VERSION='"$(VERSION)"' -DSHAREDTOP_PREFIX='"$(prefix)"' \
            $(if $(HIREDIS_SSL),-DHAVE_HIREDIS_SSL) $(PKG_CFLAGS)
COMPILE   = $(CC) -std=gnu11 $(CPPFLAGS) $(WARN) $(HARDEN) $(CFLAGS) $(SAN) -MMD -MP
LINK      = $(CC) $(CFLAGS) $(SAN) $(LDHARDEN)

LIB_SRC  := $(wildcard backend/base/*.c backend/*.c tui/*.c panels/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o) $(BUILD)/themes_data.o
LIB      := $(BUILD)/libsharedtop.a
THEMES   := $(wildcard themes/*.theme)

all: sharedtop

sharedtop: $(BUILD)/sharedtop
	cp $< $@

$(BUILD)/sharedtop: $(BUILD)/main.o $(LIB)
	$(LINK) -o $@ $^ $(PKG_LIBS)

$(LIB): $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

# The theme files, compiled in: { name, text } pairs that tui/theme.c reads.
$(BUILD)/themes_data.c: $(THEMES) Makefile
	@mkdir -p $(@D)
	{ echo '#include "tui/theme_data.h"'; echo 'const struct theme_data theme_data[] = {'; \
	  for f in $(THEMES); do n=$$(basename $$f .theme); \
	    printf '{"%s",\n' $$n; sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $$f; echo '},'; \
	  done; echo '{0, 0}};'; } > $@

$(BUILD)/themes_data.o: $(BUILD)/themes_data.c
	$(COMPILE) -c -o $@ $<

# ---- tests ----
UNIT_SRC := $(wildcard tests/unit/*_test.c)
UNIT     := $(UNIT_SRC:%.c=$(BUILD)/%)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(LINK) -o $@ $^ $(PKG_LIBS) -lcmocka
unit: $(UNIT)
	@set -e; for t in $(UNIT); do $$t; done

clean:
	rm -rf $(BUILD) sharedtop

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all clean unit
.DELETE_ON_ERROR:
.SECONDARY:
