/* A byte string that grows. s is always terminated by a NUL once anything was added; it belongs to
 * the buffer until strbuf_take or strbuf_free. Start from {0}. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stddef.h>

struct strbuf {
    char *s;
    size_t len, cap;
};

void strbuf_add(struct strbuf *b, const char *s, size_t len);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Keeps the memory, drops the content. */
void strbuf_clear(struct strbuf *b);

/* Removes the first n bytes (n <= len). */
void strbuf_drop(struct strbuf *b, size_t n);

/* The content, owned by the caller from now on (never NULL); the buffer is empty again. */
char *strbuf_take(struct strbuf *b);
void strbuf_free(struct strbuf *b);

#endif
