# sharedtop: `make` builds ./sharedtop; `make demo` and `make test` set up what they need first.
# Also: setup, check (test without the set-up), unit, integration, screen (parts of check; T=PATTERN
# picks programs by name), fuzz (FUZZ_SECONDS each), bench, lint, install, uninstall, clean.
# Variables: CC, CFLAGS, WERROR=1, SANITIZE=address,undefined, BUILD=build, prefix, DESTDIR,
# DEMO_ARGS (for the demo's sharedtop), V=1 (show the commands).

VERSION := 0.1.0
prefix  ?= /usr/local
BUILD   ?= build
PKGS     = ncursesw libpq hiredis libconfig libuv jansson nettle libcurl
PKGCONF ?= pkg-config

CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wshadow -Wcast-qual -Wmissing-prototypes -Wstrict-prototypes -Wvla \
           -Wformat=2 -Wno-format-nonliteral $(if $(WERROR),-Werror)
HARDEN   = $(if $(SANITIZE),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
LDHARDEN = -pie -Wl,-z,relro,-z,now
SAN      = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

HIREDIS_SSL := $(shell $(PKGCONF) --exists hiredis_ssl openssl 2>/dev/null && echo hiredis_ssl openssl)
PKG_CFLAGS  := $(shell $(PKGCONF) --cflags $(PKGS) $(HIREDIS_SSL) 2>/dev/null | sed 's/-I/-isystem /g')
PKG_LIBS    := $(shell $(PKGCONF) --libs $(PKGS) $(HIREDIS_SSL) 2>/dev/null) -lpthread -lm

CPPFLAGS += -I. -D_GNU_SOURCE -DSHAREDTOP_VERSION='"$(VERSION)"' -DSHAREDTOP_PREFIX='"$(prefix)"' \
            $(if $(HIREDIS_SSL),-DHAVE_HIREDIS_SSL) $(PKG_CFLAGS)
COMPILE   = $(CC) -std=gnu11 $(CPPFLAGS) $(WARN) $(HARDEN) $(CFLAGS) $(SAN) -MMD -MP
LINK      = $(CC) $(CFLAGS) $(SAN) $(LDHARDEN) $(LDFLAGS)

# What is being made, in place of the command that makes it.
SAY = $(if $(V),,@printf '  %-5s %s\n' $(1) $@;)

# These goals install or remove things, or do so first: everything else needs the libraries, and
# objects that were compiled with other flags are compiled anew.
SETUP_GOALS := clean setup demo test bench lint fuzz uninstall
ifneq ($(filter-out $(SETUP_GOALS),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell $(PKGCONF) --exists $(PKGS) && echo yes),yes)
$(error Missing libraries: run 'make setup' on Debian; elsewhere install the development packages \
	of $(PKGS), and pkg-config)
endif
FLAGS := $(CC) $(CPPFLAGS) $(HARDEN) $(CFLAGS) $(SAN)
ifneq ($(strip $(file <$(BUILD)/.flags)),$(strip $(FLAGS)))
$(shell mkdir -p $(BUILD))
$(file >$(BUILD)/.flags,$(FLAGS))
endif
endif

LIB_SRC  := $(wildcard backend/base/*.c backend/*.c tui/*.c panels/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o) $(BUILD)/themes_data.o
LIB      := $(BUILD)/libsharedtop.a
THEMES   := $(wildcard themes/*.theme)
MAN1     := $(wildcard man/*.1)
MAN5     := $(wildcard man/*.5)

all: sharedtop

sharedtop: $(BUILD)/sharedtop
	cp $< $@

$(BUILD)/sharedtop: $(BUILD)/main.o $(LIB)
	$(call SAY,LINK)$(LINK) -o $@ $^ $(PKG_LIBS)

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(call SAY,AR)$(AR) rcs $@ $^

$(BUILD)/%.o: %.c $(BUILD)/.flags
	@mkdir -p $(@D)
	$(call SAY,CC)$(COMPILE) -c -o $@ $<

$(BUILD)/.flags: ;

# The theme files, compiled in: { name, text } pairs that tui/theme.c reads.
$(BUILD)/themes_data.c: $(THEMES) Makefile
	@mkdir -p $(@D)
	$(call SAY,GEN){ echo '#include "tui/theme_data.h"'; echo 'const struct theme_data theme_data[] = {'; \
	  for f in $(THEMES); do n=$$(basename $$f .theme); \
	    printf '{"%s",\n' $$n; sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $$f; echo '},'; \
	  done; echo '{0, 0}};'; } > $@

$(BUILD)/themes_data.o: $(BUILD)/themes_data.c $(BUILD)/.flags
	$(call SAY,CC)$(COMPILE) -c -o $@ $<

# ---- tests: every FOLDER/NAME_test.c is a program; the other files of its folder are linked in ----
programs = $(foreach f,$(patsubst tests/%.c,%,$(wildcard tests/$(1)/*_test.c)),\
             $(if $(if $(T),$(findstring $(T),$(f)),all),$(BUILD)/tests/$(f)))
helpers  = $(patsubst %.c,$(BUILD)/%.o,$(filter-out %_test.c,$(wildcard tests/$(1)/*.c)))

UNIT        := $(call programs,unit)
INTEGRATION := $(call programs,integration)
SCREEN      := $(call programs,screen)
LAB_OBJ     := $(BUILD)/tests/lab/lab.o
DOCKER_OBJ  := $(BUILD)/tests/lab/docker_lab.o
TERM_OBJ    := $(call helpers,screen) $(BUILD)/tests/unit/fake_engine.o
LABRUN      := $(BUILD)/tests/lab/labrun
LOAD        := $(BUILD)/tests/lab/load
BENCH       := $(BUILD)/tests/bench/bench

$(UNIT): $(BUILD)/%: $(BUILD)/%.o $(call helpers,unit) $(LIB)
	$(call SAY,LINK)$(LINK) -o $@ $^ $(PKG_LIBS) -lcmocka -lvterm -lutil

$(INTEGRATION): $(BUILD)/%: $(BUILD)/%.o $(call helpers,integration) $(TERM_OBJ) $(LAB_OBJ) $(DOCKER_OBJ) $(LIB)
	$(call SAY,LINK)$(LINK) -o $@ $^ $(PKG_LIBS) -lcmocka -lvterm -lutil

$(SCREEN): $(BUILD)/%: $(BUILD)/%.o $(TERM_OBJ) $(LAB_OBJ) $(DOCKER_OBJ) $(LIB)
	$(call SAY,LINK)$(LINK) -o $@ $^ $(PKG_LIBS) -lcmocka -lvterm -lutil

$(LABRUN): $(BUILD)/tests/lab/labrun.o $(LAB_OBJ) $(BUILD)/backend/base/mem.o $(BUILD)/backend/base/strbuf.o
	$(call SAY,LINK)$(LINK) -o $@ $^ $(PKG_LIBS)

$(LOAD): $(BUILD)/tests/lab/load.o $(BUILD)/tests/lab/load_redis.o
	$(call SAY,LINK)$(LINK) -o $@ $^ $(PKG_LIBS)

$(BENCH): $(call helpers,bench) $(TERM_OBJ) $(LAB_OBJ) $(DOCKER_OBJ) $(LIB)
	$(call SAY,LINK)$(LINK) -o $@ $^ $(PKG_LIBS) -lvterm -lutil

# One job a processor, unless this make was told how many.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
SUB  = $(MAKE) --no-print-directory

export LAB_SH    := $(CURDIR)/tests/lab/lab.sh
export LAB_CACHE := $(CURDIR)/build/lab
export LAB_LOAD   = $(abspath $(LOAD))
export BUILD SANITIZE T

setup:
	@tests/lab/setup.sh lint

demo:
	@tests/lab/setup.sh run
	@$(SUB) -s $(JOBS) demo-programs
	@echo "sharedtop: starting a private PostgreSQL and Redis in /tmp; they go when you quit"
	@exec $(LABRUN) --fill --load sh -c 'exec $(BUILD)/sharedtop --config "$$LAB_CONF" $(DEMO_ARGS)'

demo-programs: $(BUILD)/sharedtop $(LABRUN) $(LOAD)

test:
	@tests/lab/setup.sh test
	@$(SUB) check

check unit integration screen:
	@$(SUB) $(JOBS) $@-programs
	@SHAREDTOP=$(abspath $(BUILD)/sharedtop) tests/check.sh $@

unit-programs: $(UNIT)
integration-programs: $(BUILD)/sharedtop $(LABRUN) $(LOAD) $(INTEGRATION)
screen-programs: $(BUILD)/sharedtop $(LABRUN) $(LOAD) $(SCREEN)
check-programs: unit-programs integration-programs screen-programs

lint:
	@tests/lab/setup.sh lint
	@tests/lint.sh -std=gnu11 $(CPPFLAGS) $(WARN)

# Built apart, by clang, with the library instrumented too.
FUZZ_SECONDS ?= 10
FUZZ         := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*_fuzz.c))

$(FUZZ): $(BUILD)/%: $(BUILD)/%.o $(LIB)
	$(call SAY,LINK)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ $(PKG_LIBS)

fuzz-programs: $(FUZZ)

fuzz:
	@tests/lab/setup.sh lint
	@$(SUB) $(JOBS) CC=clang BUILD=build-fuzz SANITIZE=fuzzer-no-link,address,undefined fuzz-programs
	@BUILD=build-fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh

bench:
	@tests/lab/setup.sh test
	@$(SUB) $(JOBS) bench-programs
	@SHAREDTOP=$(abspath $(BUILD)/sharedtop) tests/bench/bench.sh $(BENCH_ARGS)

bench-programs: $(BUILD)/sharedtop $(BENCH) $(LOAD)

# ---- installing ----
SHARE = $(DESTDIR)$(prefix)/share

install: sharedtop
	install -d $(DESTDIR)$(prefix)/bin $(SHARE)/sharedtop/themes $(SHARE)/doc/sharedtop \
	  $(SHARE)/man/man1 $(SHARE)/man/man5
	install -m 755 sharedtop $(DESTDIR)$(prefix)/bin/sharedtop
	install -m 644 $(THEMES) $(SHARE)/sharedtop/themes
	install -m 644 sharedtop.conf.example LICENSE $(wildcard README.md) $(SHARE)/doc/sharedtop
	$(if $(MAN1),install -m 644 $(MAN1) $(SHARE)/man/man1)
	$(if $(MAN5),install -m 644 $(MAN5) $(SHARE)/man/man5)

uninstall:
	rm -f $(DESTDIR)$(prefix)/bin/sharedtop $(MAN1:man/%=$(SHARE)/man/man1/%) \
	  $(MAN5:man/%=$(SHARE)/man/man5/%)
	rm -rf $(SHARE)/sharedtop $(SHARE)/doc/sharedtop

clean:
	rm -rf $(BUILD) build-asan build-tsan build-fuzz sharedtop

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all setup demo demo-programs test check unit integration screen check-programs \
	unit-programs integration-programs screen-programs lint fuzz fuzz-programs bench \
	bench-programs install uninstall clean
.DELETE_ON_ERROR:
.SECONDARY:
