/* One line of MONITOR. Pure. */
#ifndef BACKEND_MONITOR_PARSE_H
#define BACKEND_MONITOR_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest name of a command that monitor_spell takes, with its NUL. */
#define MONITOR_SPELT 16

/* Pointers point into the line. */
struct monitor_line {
    double time; /* seconds since 1970, the server's clock */
    int db;
    const char *client; /* "addr:port", "[v6]:port", "unix:PATH", "lua"; not terminated */
    size_t client_len;
    const char *command; /* the first argument without quotes, raw; not terminated */
    size_t command_len;
    const char *args; /* all arguments as the server escapes them, quotes and all */
    size_t args_len;
    /* ---- of monitor_next ---- */
    uint64_t number;
    const char *text; /* the whole line without '+' and CR LF; not terminated */
    size_t len;
    uint64_t bytes; /* as it was sent: more than len when it was cut */
};

/* Parses text[0..len) (without CR LF, with or without the leading '+'). False: not a line of
 * MONITOR. What monitor_next adds is 0. */
bool monitor_parse(const char *text, size_t len, struct monitor_line *line);

/* The next argument of rest[0..*rest_len), still escaped; moves rest on. False: there is none. */
bool monitor_argument(const char **rest, size_t *rest_len, const char **text, size_t *len);

/* Decodes the server's escapes (\\ \" \n \r \t \a \b \xHH) of in into out: raw bytes, to be
 * sanitised by who shows them. \x00 stays as it is, so that no text ends there. Returns the length,
 * at most cap. */
size_t monitor_unescape(const char *in, size_t len, char *out, size_t cap);

/* How much of a line may be shown before a password follows (old servers show AUTH in clear; HELLO
 * and MIGRATE can hold one too); len if none does. */
size_t monitor_secret(const char *text, size_t len);

/* How a command is written by what only polls: small and capital letters in turn, as nobody writes
 * it. Nothing else tells its lines from those of others: over a unix socket all have one address, and
 * that of a connection that was ours can be anybody's by now. One that is longer than MONITOR_SPELT
 * allows is returned as it is. */
const char *monitor_spell(const char *command, char spelt[MONITOR_SPELT]);

/* Are those arguments (as in a line, with their quotes) what a dashboard polls, or how it logs in: a
 * command spelt so, with the very arguments that it has there? */
bool monitor_is_polling(const char *args, size_t len);

#endif
