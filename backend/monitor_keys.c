#include "backend/monitor_keys.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* In the order of strcasecmp. */
static const struct monitor_command commands[] = {
    {"ACL", KEYS_NONE, 0},
    {"ASKING", KEYS_NONE, 0},
    {"AUTH", KEYS_NONE, 0},
    {"BITOP", KEYS_AFTER, 0},
    {"BLMOVE", KEYS_TWO, 0},
    {"BLMPOP", KEYS_TIMED, 0},
    {"BLPOP", KEYS_BUT_LAST, 0},
    {"BRPOP", KEYS_BUT_LAST, 0},
    {"BRPOPLPUSH", KEYS_TWO, 0},
    {"BZMPOP", KEYS_TIMED, 0},
    {"BZPOPMAX", KEYS_BUT_LAST, 0},
    {"BZPOPMIN", KEYS_BUT_LAST, 0},
    {"CLIENT", KEYS_NONE, 0},
    {"CLUSTER", KEYS_NONE, 0},
    {"COMMAND", KEYS_NONE, 0},
    {"CONFIG", KEYS_NONE, 0},
    {"COPY", KEYS_TWO, 0},
    {"DBSIZE", KEYS_NONE, 0},
    {"DEBUG", KEYS_NONE, 0},
    {"DEL", KEYS_ALL, 0},
    {"DISCARD", KEYS_NONE, 0},
    {"ECHO", KEYS_NONE, 0},
    {"EVAL", KEYS_COUNTED, 0},
    {"EVAL_RO", KEYS_COUNTED, 0},
    {"EVALSHA", KEYS_COUNTED, 0},
    {"EVALSHA_RO", KEYS_COUNTED, 0},
    {"EXEC", KEYS_NONE, 0},
    {"EXISTS", KEYS_ALL, 0},
    {"FCALL", KEYS_COUNTED, 0},
    {"FCALL_RO", KEYS_COUNTED, 0},
    {"FLUSHALL", KEYS_NONE, FLAG_FLUSHALL},
    {"FLUSHDB", KEYS_NONE, FLAG_FLUSHDB},
    {"FUNCTION", KEYS_NONE, 0},
    {"GEOSEARCHSTORE", KEYS_TWO, 0},
    {"HELLO", KEYS_NONE, 0},
    {"HGETALL", KEYS_FIRST, FLAG_WHOLE},
    {"HKEYS", KEYS_FIRST, FLAG_WHOLE},
    {"HVALS", KEYS_FIRST, FLAG_WHOLE},
    {"INFO", KEYS_NONE, 0},
    {"KEYS", KEYS_NONE, FLAG_KEYS},
    {"LASTSAVE", KEYS_NONE, 0},
    {"LATENCY", KEYS_NONE, 0},
    {"LCS", KEYS_TWO, 0},
    {"LMOVE", KEYS_TWO, 0},
    {"LMPOP", KEYS_LED, 0},
    {"LOLWUT", KEYS_NONE, 0},
    {"LRANGE", KEYS_FIRST, FLAG_WHOLE},
    {"MEMORY", KEYS_SECOND, 0},
    {"MGET", KEYS_ALL, 0},
    {"MIGRATE", KEYS_MIGRATED, 0},
    {"MODULE", KEYS_NONE, 0},
    {"MONITOR", KEYS_NONE, 0},
    {"MSET", KEYS_PAIRS, 0},
    {"MSETNX", KEYS_PAIRS, 0},
    {"MULTI", KEYS_NONE, 0},
    {"OBJECT", KEYS_SECOND, 0},
    {"PFCOUNT", KEYS_ALL, 0},
    {"PFMERGE", KEYS_ALL, 0},
    {"PING", KEYS_NONE, 0},
    {"PSUBSCRIBE", KEYS_NONE, 0},
    {"PUBLISH", KEYS_NONE, 0},
    {"PUBSUB", KEYS_NONE, 0},
    {"PUNSUBSCRIBE", KEYS_NONE, 0},
    {"QUIT", KEYS_NONE, 0},
    {"RANDOMKEY", KEYS_NONE, 0},
    {"READONLY", KEYS_NONE, 0},
    {"READWRITE", KEYS_NONE, 0},
    {"RENAME", KEYS_TWO, 0},
    {"RENAMENX", KEYS_TWO, 0},
    {"RESET", KEYS_NONE, 0},
    {"ROLE", KEYS_NONE, 0},
    {"RPOPLPUSH", KEYS_TWO, 0},
    {"SCAN", KEYS_NONE, FLAG_SCAN},
    {"SCRIPT", KEYS_NONE, 0},
    {"SDIFF", KEYS_ALL, 0},
    {"SDIFFSTORE", KEYS_ALL, 0},
    {"SELECT", KEYS_NONE, 0},
    {"SINTER", KEYS_ALL, 0},
    {"SINTERCARD", KEYS_LED, 0},
    {"SINTERSTORE", KEYS_ALL, 0},
    {"SLOWLOG", KEYS_NONE, 0},
    {"SMEMBERS", KEYS_FIRST, FLAG_WHOLE},
    {"SMOVE", KEYS_TWO, 0},
    {"SORT", KEYS_FIRST, FLAG_WHOLE},
    {"SORT_RO", KEYS_FIRST, FLAG_WHOLE},
    {"SPUBLISH", KEYS_NONE, 0},
    {"SSUBSCRIBE", KEYS_NONE, 0},
    {"SUBSCRIBE", KEYS_NONE, 0},
    {"SUNION", KEYS_ALL, 0},
    {"SUNIONSTORE", KEYS_ALL, 0},
    {"SUNSUBSCRIBE", KEYS_NONE, 0},
    {"SWAPDB", KEYS_NONE, FLAG_SWAPDB},
    {"TIME", KEYS_NONE, 0},
    {"TOUCH", KEYS_ALL, 0},
    {"UNLINK", KEYS_ALL, 0},
    {"UNSUBSCRIBE", KEYS_NONE, 0},
    {"UNWATCH", KEYS_NONE, 0},
    {"WAIT", KEYS_NONE, 0},
    {"WAITAOF", KEYS_NONE, 0},
    {"WATCH", KEYS_ALL, 0},
    {"XGROUP", KEYS_SECOND, 0},
    {"XINFO", KEYS_SECOND, 0},
    {"XRANGE", KEYS_FIRST, FLAG_WHOLE},
    {"XREAD", KEYS_STREAMS, 0},
    {"XREADGROUP", KEYS_STREAMS, 0},
    {"XREVRANGE", KEYS_FIRST, FLAG_WHOLE},
    {"ZDIFF", KEYS_LED, 0},
    {"ZDIFFSTORE", KEYS_STORED, 0},
    {"ZINTER", KEYS_LED, 0},
    {"ZINTERCARD", KEYS_LED, 0},
    {"ZINTERSTORE", KEYS_STORED, 0},
    {"ZMPOP", KEYS_LED, 0},
    {"ZRANGE", KEYS_FIRST, FLAG_WHOLE},
    {"ZRANGESTORE", KEYS_TWO, 0},
    {"ZREVRANGE", KEYS_FIRST, FLAG_WHOLE},
    {"ZUNION", KEYS_LED, 0},
    {"ZUNIONSTORE", KEYS_STORED, 0},
};

static int by_name(const void *name, const void *command)
{
    return strcasecmp(name, ((const struct monitor_command *)command)->name);
}

const struct monitor_command *monitor_command(const char *name, size_t len)
{
    char word[16];

    if (len >= sizeof(word) || memchr(name, '\0', len))
        return NULL;
    memcpy(word, name, len);
    word[len] = '\0';
    return bsearch(word, commands, sizeof(commands) / sizeof(commands[0]), sizeof(commands[0]),
                   by_name);
}

/* ---- patterns ---- */

enum { DIGIT = 1, HEX = 2, LETTER = 4 };

static const unsigned char kinds[256] = {
    ['0'] = 3, ['1'] = 3, ['2'] = 3, ['3'] = 3, ['4'] = 3, ['5'] = 3, ['6'] = 3, ['7'] = 3,
    ['8'] = 3, ['9'] = 3, ['a'] = 6, ['b'] = 6, ['c'] = 6, ['d'] = 6, ['e'] = 6, ['f'] = 6,
    ['A'] = 6, ['B'] = 6, ['C'] = 6, ['D'] = 6, ['E'] = 6, ['F'] = 6, ['g'] = 4, ['h'] = 4,
    ['i'] = 4, ['j'] = 4, ['k'] = 4, ['l'] = 4, ['m'] = 4, ['n'] = 4, ['o'] = 4, ['p'] = 4,
    ['q'] = 4, ['r'] = 4, ['s'] = 4, ['t'] = 4, ['u'] = 4, ['v'] = 4, ['w'] = 4, ['x'] = 4,
    ['y'] = 4, ['z'] = 4, ['G'] = 4, ['H'] = 4, ['I'] = 4, ['J'] = 4, ['K'] = 4, ['L'] = 4,
    ['M'] = 4, ['N'] = 4, ['O'] = 4, ['P'] = 4, ['Q'] = 4, ['R'] = 4, ['S'] = 4, ['T'] = 4,
    ['U'] = 4, ['V'] = 4, ['W'] = 4, ['X'] = 4, ['Y'] = 4, ['Z'] = 4,
};

static unsigned kind(char c)
{
    return kinds[(unsigned char)c];
}

static bool is_uuid(const char *text, size_t len)
{
    if (len < 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return false;
    for (size_t i = 0; i < 36; i++) {
        if (!(kind(text[i]) & HEX) && !(i == 8 || i == 13 || i == 18 || i == 23))
            return false;
    }
    return len == 36 || !kind(text[36]);
}

/* Length of the word of letters and digits at text; what all and any of its characters are. */
static size_t word_length(const char *text, size_t len, unsigned *all, unsigned *any)
{
    size_t n = 0;

    *all = DIGIT | HEX;
    *any = 0;
    for (unsigned k; n < len && (k = kind(text[n])); n++) {
        *all &= k;
        *any |= k;
    }
    return n;
}

/* A word that no person has thought of: a hash, an id in base 36 or 64. */
static bool is_hash(size_t len, unsigned all, unsigned any)
{
    return (any & DIGIT) && ((len >= 8 && (all & HEX)) || len >= 20);
}

/* The word with its runs of digits folded. */
static size_t fold_digits(const char *word, size_t len, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n < size; i++) {
        bool digit = kind(word[i]) & DIGIT;

        if (!digit)
            out[n++] = word[i];
        else if (i == 0 || !(kind(word[i - 1]) & DIGIT))
            out[n++] = '*';
    }
    return n;
}

static bool is_hex(char c)
{
    return kind(c) & HEX;
}

/* Length of the server's escape at text, which no pattern takes apart; 1: there is none. */
static size_t escape_length(const char *text, size_t len)
{
    if (*text != '\\' || len < 2)
        return 1;
    return text[1] == 'x' && len >= 4 && is_hex(text[2]) && is_hex(text[3]) ? 4 : 2;
}

size_t monitor_pattern(const char *key, size_t len, char *out, size_t size)
{
    size_t n = 0, word;
    unsigned all, any;

    for (size_t at = 0; at < len && n < size; at += word) {
        word = word_length(key + at, len - at, &all, &any);
        if (!word) {
            word = escape_length(key + at, len - at);
            if (word > size - n)
                break;
            for (size_t i = 0; i < word; i++)
                out[n++] = key[at + i];
        } else if (word == 8 && is_uuid(key + at, len - at)) {
            word = 36;
            out[n++] = '*';
        } else if ((all & DIGIT) || is_hash(word, all, any)) {
            out[n++] = '*';
        } else if (any & DIGIT) {
            n += fold_digits(key + at, word, out + n, size - n);
        } else {
            size_t fit = word < size - n ? word : size - n;

            /* Words are short: a call costs more. */
            for (size_t i = 0; i < fit; i++)
                out[n++] = key[at + i];
        }
    }
    return n;
}
