#include "backend/redis_url.h"

#include "backend/base/mem.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define FORMS       "write redis://[[user]:password@]host[:port][/db], rediss://… (TLS) or unix:PATH"
#define QUERY_FAULT "after ? only db=N is known, N the number of a database"

enum {
    DEFAULT_PORT = 6379,
    PORT_MAX = 65535,
    PATH_CAP = sizeof(((struct sockaddr_un *)0)->sun_path)
};

/* A piece of the URL. */
struct span {
    const char *s;
    size_t len;
};

static char *fault(const char *text)
{
    return mem_printf("%s; " FORMS, text);
}

static struct span span_of(const char *s, size_t len)
{
    return (struct span){s, len};
}

/* Splits off what stands before the first of any of stops; the rest begins at it. */
static struct span take_until(struct span *rest, const char *stops)
{
    size_t n = 0;

    while (n < rest->len && !strchr(stops, rest->s[n]))
        n++;
    struct span head = span_of(rest->s, n);
    *rest = span_of(rest->s + n, rest->len - n);
    return head;
}

static bool take_prefix(struct span *rest, const char *prefix)
{
    size_t len = strlen(prefix);

    if (rest->len < len || strncasecmp(rest->s, prefix, len) != 0)
        return false;
    *rest = span_of(rest->s + len, rest->len - len);
    return true;
}

/* A number of 0 … max and nothing else. */
static bool parse_number(struct span text, int max, int *value)
{
    long n = 0;

    if (text.len == 0 || text.len > 10)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit((unsigned char)text.s[i]))
            return false;
        n = 10 * n + (text.s[i] - '0');
    }
    *value = (int)n;
    return n <= max;
}

static int hex_digit(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* The decoded text, or NULL: a bad %XX, or a NUL. */
static char *percent_decode(struct span text)
{
    char *out = mem_alloc(text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.s[i];

        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.s[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.s[i + 2]) : -1;

            c = low >= 0 ? 16 * high + low : 0;
            i += 2;
        }
        if (c == 0) {
            mem_free_secret(out, text.len + 1);
            return NULL;
        }
        out[len++] = (char)c;
    }
    out[len] = '\0';
    return out;
}

/* Takes "[[user]:password@]" off the front of authority: all up to its last '@'. */
static char *parse_login(struct span *authority, struct redis_address *address)
{
    const char *at = memrchr(authority->s, '@', authority->len);
    struct span login, user;

    if (!at)
        return NULL;
    login = span_of(authority->s, (size_t)(at - authority->s));
    *authority = span_of(at + 1, authority->len - login.len - 1);
    user = take_until(&login, ":");
    if (user.len && !(address->user = percent_decode(user)))
        return fault("the user holds a bad percent escape (write %25 for a %)");
    if (login.len > (user.len ? 0U : 1U) &&
        !(address->password = percent_decode(span_of(login.s + 1, login.len - 1))))
        return fault("the password holds a bad percent escape (write %25 for a %)");
    return NULL;
}

static bool is_v6(struct span text)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    struct span host = take_until(&text, "%");

    if (host.len >= sizeof(copy))
        return false;
    memcpy(copy, host.s, host.len);
    copy[host.len] = '\0';
    return inet_pton(AF_INET6, copy, address) == 1;
}

static bool is_name(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!isalnum((unsigned char)text.s[i]) && !strchr(".-_", text.s[i]))
            return false;
    }
    return text.len < 256;
}

/* The zone of a link-local address is a name of an interface. */
static bool is_zoned_v6(struct span text)
{
    struct span zone = text;

    take_until(&zone, "%");
    return is_v6(text) && zone.len <= IF_NAMESIZE &&
           (zone.len == 0 || is_name(span_of(zone.s + 1, zone.len - 1)));
}

static char *parse_host_port(struct span text, struct redis_address *address)
{
    struct span host, port = {NULL, 0};

    if (text.len && text.s[0] == '[') {
        text = span_of(text.s + 1, text.len - 1);
        host = take_until(&text, "]");
        if (text.len == 0 || !is_zoned_v6(host))
            return fault("between [ and ] must be an IPv6 address");
        port = span_of(text.s + 1, text.len - 1);
    } else if (is_zoned_v6(text)) {
        host = text;
    } else {
        port = text;
        host = take_until(&port, ":");
        if (!is_name(host))
            return fault("the host is no name and no address");
    }
    if (port.len && (port.s[0] != ':' ||
                     !parse_number(span_of(port.s + 1, port.len - 1), PORT_MAX, &address->port) ||
                     address->port == 0))
        return fault("the port must be a number from 1 to 65535");
    address->host = host.len ? mem_strndup(host.s, host.len) : mem_strdup("127.0.0.1");
    return NULL;
}

/* Takes over path, NULL: it could not be decoded. */
static char *set_path(char *path, struct redis_address *address)
{
    address->path = path;
    if (!path)
        return fault("the socket's path holds a bad percent escape (write %25 for a %)");
    if (!*path)
        return fault("the path of the socket is missing");
    if (strlen(path) >= PATH_CAP)
        return mem_printf("the path of a unix socket must be shorter than %d bytes; use a shorter "
                          "one, or a symbolic link to its directory",
                          (int)PATH_CAP);
    return NULL;
}

/* Takes "?db=N" off the end; false if something else is there. */
static bool take_db(struct span *text, struct redis_address *address)
{
    const char *mark = memrchr(text->s, '?', text->len);
    struct span query;

    if (!mark)
        return true;
    query = span_of(mark, text->len - (size_t)(mark - text->s));
    if (!take_prefix(&query, "?db=") || !parse_number(query, INT_MAX, &address->db))
        return false;
    *text = span_of(text->s, (size_t)(mark - text->s));
    return true;
}

/* A path as it stands, but for an exact "?db=N". */
static char *parse_path(struct span text, struct redis_address *address)
{
    if (!take_db(&text, address))
        address->db = 0;
    return set_path(mem_strndup(text.s, text.len), address);
}

static char *parse_unix_url(struct span rest, struct redis_address *address)
{
    struct span path = rest, login = take_until(&path, "/");
    char *error = NULL;

    if (!take_db(&path, address))
        return fault(QUERY_FAULT);
    if (login.len) {
        error = parse_login(&login, address);
        if (!error && login.len)
            error = fault("the path of the socket must begin with /");
    }
    return error ? error : set_path(percent_decode(path), address);
}

static char *parse_network(struct span rest, struct redis_address *address)
{
    struct span authority = take_until(&rest, "/?");
    char *error;

    if (memchr(rest.s, '@', rest.len))
        return fault("a / or a ? in the user or the password must be written as %2F or %3F");
    if (!take_db(&rest, address))
        return fault(QUERY_FAULT);
    error = parse_login(&authority, address);
    if (!error)
        error = parse_host_port(authority, address);
    if (!error && rest.len > 1 &&
        !parse_number(span_of(rest.s + 1, rest.len - 1), INT_MAX, &address->db))
        error = fault("after the / must be the number of a database");
    return error;
}

/* What has no scheme: a path, or host[:port]. */
static char *parse_plain(struct span text, struct redis_address *address)
{
    if (text.len && text.s[0] == '/')
        return parse_path(text, address);
    if (memchr(text.s, '@', text.len))
        return fault("a user or a password needs redis:// before it");
    return parse_host_port(text, address);
}

static char *parse(struct span text, struct redis_address *address)
{
    if (take_prefix(&text, "unix://"))
        return parse_unix_url(text, address);
    if (take_prefix(&text, "unix:"))
        return parse_path(text, address);
    if (take_prefix(&text, "redis://"))
        return parse_network(text, address);
    if (take_prefix(&text, "rediss://")) {
        address->tls = true;
        return parse_network(text, address);
    }
    if (memmem(text.s, text.len, "://", 3))
        return fault("what stands before :// is not known");
    return parse_plain(text, address);
}

bool redis_url_parse(const char *url, struct redis_address *address, char **error)
{
    *address = (struct redis_address){.port = DEFAULT_PORT};
    *error = parse(span_of(url, strlen(url)), address);
    if (*error)
        redis_address_free(address);
    return !*error;
}

static void free_secret(char *text)
{
    mem_free_secret(text, text ? strlen(text) : 0);
}

void redis_address_free(struct redis_address *address)
{
    free(address->path);
    free(address->host);
    free(address->tls_name);
    free(address->user);
    free_secret(address->password);
    *address = (struct redis_address){0};
}

void redis_address_copy(struct redis_address *to, const struct redis_address *from)
{
    *to = *from;
    to->path = mem_strdup(from->path);
    to->host = mem_strdup(from->host);
    to->tls_name = mem_strdup(from->tls_name);
    to->user = mem_strdup(from->user);
    to->password = mem_strdup(from->password);
}

char *redis_address_text(const struct redis_address *address)
{
    if (address->path)
        return mem_strdup(address->path);
    return mem_printf(strchr(address->host, ':') ? "[%s]:%d" : "%s:%d", address->host,
                      address->port);
}
